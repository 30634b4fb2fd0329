// SPDX-License-Identifier: MIT
// The invariants I1 to I6, as far as a state shows them. (What only a kernel can get wrong, pages that leak or a
// preempted call that shows its middle, is checked against a kernel in tests/host/kernel.)
#include <sstream>

#include "tests/host/spec/system.hpp"

namespace pith::spec {

namespace {

/// The format with its arguments in the places of {}.
template <typename... Arguments>
std::string text(std::string_view format, Arguments... arguments) {
    std::ostringstream out;
    auto put = [&](auto argument) {
        auto place = format.find("{}");
        out << format.substr(0, place) << argument;
        format.remove_prefix(place + 2);
    };
    (put(arguments), ...);
    out << format;
    return out.str();
}

/// I1: everything but the first Pool and Replies is made from a Pool that is there, and no Pool gives more than it has.
std::string check_pools(const System& s) {
    for (const auto& [id, object] : s.objects) {
        if (object.type == ObjectType::reply || object.type == ObjectType::machine) continue;
        if (id == s.root_pool) continue;
        Id pool = object.type == ObjectType::pool ? std::get<Pool>(object.body).parent : object.pool;
        if (!s.alive(pool)) return text("I1: object {} was made from no Pool", id);
        if (object.type == ObjectType::pool && s.pool_used_at_least(id) > std::get<Pool>(object.body).limit)
            return text("I1: Pool {} gives more than its limit", id);
    }
    return {};
}

/// I2: nothing refers to an object that is not there.
std::string check_links(const System& s) {
    auto bad = [&](Id id) { return id != kNone && !s.alive(id); };
    for (const auto& [id, c] : s.capabilities)
        if (bad(c.object) || c.object == kNone) return text("I2: capability {} to a destroyed object", id);
    for (const auto& [id, object] : s.objects) {
        if (const auto* space = std::get_if<Space>(&object.body)) {
            for (const auto& [address, page] : space->pages)
                if (bad(page.memory)) return text("I2: Space {} maps a destroyed Memory", id);
            for (Id ports : space->ports)
                if (bad(ports)) return text("I2: Space {} has destroyed IoPorts", id);
        }
        if (const auto* i = std::get_if<Interrupt>(&object.body); i != nullptr && bad(i->signal))
            return text("I2: Interrupt {} has a destroyed Signal", id);
        if (const auto* e = std::get_if<Endpoint>(&object.body))
            for (const auto& queue : {e->senders, e->receivers})
                for (Id thread : queue)
                    if (bad(thread)) return text("I2: Endpoint {} queues a destroyed thread", id);
        if (const auto* g = std::get_if<Signal>(&object.body))
            if (bad(g->waiter) || bad(g->bound))
                return text("I2: Signal {} refers to a destroyed thread", id);
        if (const auto* t = std::get_if<Thread>(&object.body))
            if (t->state != State::dead &&
                (bad(t->space) || bad(t->captable) || bad(t->handler) || bad(t->buffer) || bad(t->budget) ||
                 bad(t->queued_at) || bad(t->waits_for) || bad(t->server) || bad(t->reply) ||
                 bad(t->current) || bad(t->bound_signal)))
                return text("I2: thread {} refers to a destroyed object", id);
    }
    return {};
}

/// I5: a derived capability is for the same object as what it was derived from; slots and capabilities are one to one; a badge,
/// once given, stays.
std::string check_capabilities(const System& s) {
    for (const auto& [id, c] : s.capabilities) {
        auto slot = s.as<CapTable>(c.table).slots.find(c.slot);
        if (slot == s.as<CapTable>(c.table).slots.end() || slot->second != id)
            return text("I5: capability {} is not in its slot", id);
        if (c.parent == kNone) continue;
        if (!s.capabilities.contains(c.parent)) return text("I5: capability {} has no parent", id);
        const auto& parent = s.capabilities.at(c.parent);
        // (A parent's rights may have shrunk since, when it was moved.)
        if (parent.object != c.object)
            return text("I5: capability {} is for another object than its parent", id);
        if (parent.badge != 0 && parent.badge != c.badge)
            return text("I5: capability {} changed its badge", id);
    }
    for (const auto& [id, object] : s.objects)
        if (const auto* table = std::get_if<CapTable>(&object.body))
            for (auto [slot, capability] : table->slots) {
                if (!s.capabilities.contains(capability))
                    return text("I5: slot {} of {} holds nothing", slot, id);
                if (table->stale.contains(slot))
                    return text("I5: slot {} of {} is stale, but not empty", slot, id);
            }
    return {};
}

/// W^X, and mappings within their Memory and their maximum.
std::string check_mappings(const System& s) {
    for (const auto& [id, object] : s.objects) {
        const auto* space = std::get_if<Space>(&object.body);
        if (space == nullptr) continue;
        for (const auto& [address, page] : space->pages) {
            if (page.page >= s.as<Memory>(page.memory).pages)
                return text("Space {} maps beyond a Memory", id);
            if ((page.rights & ~page.maximum) != 0) return text("I5: Space {} maps with more rights", id);
            u32 both = abi::kMapWrite | abi::kMapExecute;
            if (!space->jit && (page.rights & both) == both) return text("W^X: Space {}", id);
        }
    }
    return {};
}

/// A caller is queued, or has exactly one who can answer it; both sides agree; nobody waits for the dead.
std::string check_calls(const System& s) {
    for (const auto& [id, object] : s.objects) {
        const auto* t = std::get_if<Thread>(&object.body);
        if (t == nullptr) continue;
        int places = (t->queued_at != kNone) + (t->server != kNone) + (t->reply != kNone);
        if (t->state == State::calling && places != 1) return text("caller {} is nowhere, or twice", id);
        if (t->state == State::event && places > 1) return text("thread {} at an event is twice", id);
        if ((t->state == State::ready || t->state == State::dead) && (places != 0 || t->waits_for != kNone))
            return text("I2: thread {} is in a queue, but not blocked", id);
        if (t->server != kNone &&
            (s.as<Thread>(t->server).current != id || s.as<Thread>(t->server).state == State::dead))
            return text("caller {} waits for a thread that does not serve it", id);
        if (t->current != kNone && s.as<Thread>(t->current).server != id)
            return text("thread {} serves a caller that does not wait", id);
        if (t->reply != kNone && s.as<Reply>(t->reply).caller != id)
            return text("caller {} lost its Reply", id);
    }
    return {};
}

}  // namespace

std::string System::check() const {
    if (!violation.empty()) return violation;
    for (auto* rule : {check_pools, check_links, check_capabilities, check_mappings, check_calls})
        if (std::string wrong = rule(*this); !wrong.empty()) return wrong;
    return {};
}

}  // namespace pith::spec
