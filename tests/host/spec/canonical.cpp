// SPDX-License-Identifier: MIT
// A state as text, the same for two states that differ only in the names of objects and capabilities that were used up before,
// and in the time that has passed.
#include <sstream>

#include "tests/host/spec/system.hpp"

namespace pith::spec {

namespace {

class Writer {
  public:
    explicit Writer(const System& system) : system_(system) {
        for (const auto& [id, object] : system.objects) names_.emplace(id, names_.size() + 1);
    }
    std::string text() {
        for (const auto& [id, object] : system_.objects) {
            put('\n', name(id), static_cast<int>(object.type), name(object.pool));
            std::visit([this](const auto& body) { write(body); }, object.body);
        }
        return out_.str();
    }

  private:
    usize name(Id id) const {
        auto found = names_.find(id);
        return found == names_.end() ? 0 : found->second;
    }
    template <typename... Values>
    void put(Values... values) {
        ((out_ << values << ' '), ...);
    }
    void put_all(const std::deque<Id>& ids) {
        for (Id id : ids) put(name(id));
        put('|');
    }
    u64 left(Time deadline) const { return deadline <= abi::kPoll ? deadline : deadline - system_.now + 2; }
    void write(const Message& m) {
        put(m.tag, m.badge, m.data.size());
        for (u64 word : m.words) put(word);
        for (const auto& handle : m.handles) put(handle.handle, int{handle.rights}, int{handle.flags});
    }

    void write(const std::monostate&) {}
    void write(const Pool& p) { put(name(p.parent), p.limit); }
    void write(const Memory& m) { put(m.pages, m.device); }
    void write(const Space& s) {
        for (const auto& [address, page] : s.pages)
            put(address, name(page.memory), page.page, page.rights, page.maximum, page.dirty);
        for (Id ports : s.ports) put('p', name(ports));
    }
    void write(const CapTable& t) {
        for (auto [slot, id] : t.slots) {
            const auto& c = system_.capabilities.at(id);
            put(slot, name(c.object), int{c.rights}, c.badge);
            if (c.parent != kNone) {
                const auto& parent = system_.capabilities.at(c.parent);
                put(name(parent.table), parent.slot);
            }
        }
        for (auto slot : t.stale) put('s', slot);
    }
    void write(const Thread& t) {
        put(name(t.space), name(t.captable), name(t.handler), name(t.buffer), name(t.budget), t.cpu,
            int{t.priority}, static_cast<int>(t.state), t.stopped, t.interrupt_pending, left(t.deadline));
        put(name(t.queued_at), name(t.waits_for), t.wait_mask, name(t.server), name(t.reply), name(t.current),
            name(t.lender), t.part, name(t.registered), t.native_fault, name(t.bound_signal), t.on_reserve);
        if (t.queued_at != kNone) write(t.outgoing);
    }
    void write(const Budget& b) { put(b.parameters.capacity, b.parameters.cpus, name(b.signal)); }
    void write(const Endpoint& e) {
        put_all(e.senders);
        put_all(e.receivers);
        put_all(e.registered);
    }
    void write(const Signal& s) { put(s.pending, name(s.waiter), name(s.bound)); }
    void write(const Reply& r) { put(name(r.caller)); }
    void write(const Machine&) {}
    void write(const Interrupt& i) { put(i.line, name(i.signal), i.bits, i.masked, i.message, i.noted); }
    void write(const IoPorts& p) { put(p.first, p.count); }

    const System& system_;
    std::map<Id, usize> names_;
    std::ostringstream out_;
};

}  // namespace

std::string System::canonical() const { return Writer(*this).text(); }

}  // namespace pith::spec
