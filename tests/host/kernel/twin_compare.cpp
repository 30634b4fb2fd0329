// SPDX-License-Identifier: MIT
// Comparing what the kernel is with what the specification says that it is: every slot, mapping, thread, link and count.
#include "tests/host/kernel/twin.hpp"

#include "arch/paging.hpp"
#include "kernel/core/budget.hpp"
#include "kernel/core/pool.hpp"
#include "kernel/core/reply.hpp"
#include "kernel/core/signal.hpp"
#include "kernel/core/space.hpp"

namespace pith::test {

using arch::fake::machine;
using spec::Id;
using spec::kNone;

namespace {

constexpr u32 kSpareCpu = abi::kMaxCpus -
                          1;  // none of the simulation's: its page table register tells a Space's root

u64 root_of(core::Space& space) NO_THREAD_SAFETY_ANALYSIS {
    auto& m = machine();
    u32 before = std::exchange(m.current_index, kSpareCpu);
    space.load();
    m.current_index = before;
    return m.cpus[kSpareCpu].root;
}

std::string name(Id id) { return " (object " + std::to_string(id) + ")"; }

core::State expected_state(const spec::Thread& t) {
    bool queued = t.queued_at != kNone;
    switch (t.state) {
        case spec::State::inactive: return core::State::inactive;
        case spec::State::ready: return core::State::ready;
        case spec::State::calling: return queued ? core::State::queued_call : core::State::awaiting_reply;
        case spec::State::sending: return core::State::queued_send;
        case spec::State::receiving: return core::State::receiving;
        case spec::State::waiting: return core::State::waiting_signal;
        case spec::State::event:
            if (queued) return core::State::queued_event;
            return t.native_fault ? core::State::awaiting_reply : core::State::at_event;
        default: return core::State::dead;
    }
}

}  // namespace

bool Twin::maps(Id space, u64 address) const {
    const arch::Entry* entry = arch::walk(root_of(static_cast<core::Space&>(*real(space))), address);
    return entry != nullptr && entry->mapped();
}

void Twin::after(const char*) {
    for (auto it = real_.begin(); it != real_.end();) {
        if (model_.alive(it->first)) {
            ++it;
            continue;
        }
        ids_.erase(it->second);
        it = real_.erase(it);
    }
    for (auto& [id, other] : real_) {  // interrupted threads whose turn has come
        if (other->type != abi::ObjectType::thread) continue;
        const auto& t = model_.as<spec::Thread>(id);
        if (t.interrupt_pending && t.state == spec::State::ready && !t.stopped &&
            static_cast<core::Thread*>(other)->state != core::State::ready)
            model_.arrive(id);
    }
    for (auto& [id, other] : real_) {  // what was lent has run out or gone
        if (other->type != abi::ObjectType::thread || !static_cast<core::Thread*>(other)->on_reserve)
            continue;
        auto& t = model_.as<spec::Thread>(id);
        if (!t.on_reserve && t.lender != kNone) {
            if (!model_.enter_reserve(id, [this](Id budget) { return spent(budget); }))
                fail("works on its reserve without need" + name(id) + picture(id));
        }
    }
    static const char* const kWatched = getenv("PITH_MODEL_WATCH");
    if (kWatched != nullptr && !log.empty()) {
        Id id = static_cast<Id>(strtoul(kWatched, nullptr, 0));
        if (model_.alive(id)) log.back() += picture(id);
    }
    compare_completions();
    if (!comparing) return;
    compare_objects();
    compare_tables();
    compare_spaces();
    compare_threads();
    compare_scheduling();
    compare_devices();
    compare_counts();
    if (std::string wrong = model_.check(); !wrong.empty()) fail(wrong);
    if (std::string wrong = sim_.check(); !wrong.empty()) fail(wrong);
    sim_.fill_tlbs();
}

void Twin::compare_completions() {
    for (auto& [id, object] : model_.objects) {
        auto* t = std::get_if<spec::Thread>(&object.body);
        if (t == nullptr || !t->completion) continue;
        compare_completion(id, *static_cast<core::Thread*>(real(id)));
        t->completion.reset();
    }
}

void Twin::compare_completion(Id id, const core::Thread& thread) {
    const auto& completion = *model_.as<spec::Thread>(id).completion;
    if (!Sim::ended(thread)) fail("a call has not ended in the kernel" + name(id));
    Answer answer = sim_.answer(thread);
    if (!completion.errors.empty()) {
        if (!completion.errors.contains(answer.error))
            fail("a call ended with " + std::to_string(static_cast<int>(answer.error)) +
                 ", but should with " + std::to_string(static_cast<int>(*completion.errors.begin())) +
                 name(id));
        return;
    }
    if (answer.error != Error::ok)
        fail("a call ended with " + std::to_string(static_cast<int>(answer.error)) + ", but should succeed" +
             name(id));
    if (!completion.message) {
        if (completion.r0 != 0 && completion.r0 != answer.r0) fail("other bits of a Signal" + name(id));
        return;
    }
    const auto& message = *completion.message;
    if (answer.tag != message.tag) fail("another tag" + name(id));
    if (answer.badge != message.badge) fail("another badge" + name(id));
    abi::Tag tag(message.tag);
    bool interrupted = tag.from_kernel() && tag.operation() == static_cast<u16>(abi::Event::interrupted);
    for (usize i = 0; i < (interrupted ? 7u : 8u); i++)
        if (answer.words[i] != message.words[i]) fail("another word" + name(id));
    for (usize i = 0; i < message.data.size(); i++)
        if (thread.buffer->words[i] != message.data[i]) fail("other data" + name(id));
    for (usize i = 0; i < message.handles.size(); i++) {
        const auto& got = thread.buffer->handles[i];
        bool used_up = message.handles[i].handle == spec::kUsedUp;
        if ((got.handle != message.handles[i].handle && !used_up) || got.rights != message.handles[i].rights)
            fail("another capability" + name(id));
    }
}

void Twin::compare_objects() {
    for (const auto& [id, object] : model_.objects) {
        if (object.type == abi::ObjectType::reply) continue;
        core::Object* other = real(id);
        if (other == nullptr) fail("an object that the kernel does not have" + name(id));
        if (other->type != object.type || other->dying.load())
            fail("an object of another type, or dying" + name(id));
        if (object.type == abi::ObjectType::pool) {
            auto& pool = static_cast<core::Pool&>(*other);
            u64 limit = std::get<spec::Pool>(object.body).limit;
            if (pool.limit() != limit) fail("another limit" + name(id));
            if (pool.used() > limit || pool.used() < model_.pool_used_at_least(id))
                fail("I1: wrong account of a Pool" + name(id));
        }
        if (const auto* signal = std::get_if<spec::Signal>(&object.body))
            if (static_cast<core::Signal&>(*other).pending() != (signal->pending != 0))
                fail("a Signal's pending bits" + name(id));
        if (const auto* memory = std::get_if<spec::Memory>(&object.body))
            if (static_cast<core::Memory&>(*other).pages() != memory->pages) fail("another size" + name(id));
    }
}

void Twin::compare_tables() {
    for (const auto& [id, object] : model_.objects) {
        const auto* table = std::get_if<spec::CapTable>(&object.body);
        if (table == nullptr) continue;
        auto& other = static_cast<core::CapTable&>(*real(id));
        for (HandleIndex i = 1; i < abi::kMaxSlots; i++) {
            core::Slot* slot = other.slot(i);
            if (slot == nullptr) {
                i |= core::CapTable::kPageSlots - 1;
                continue;
            }
            auto held = core::read_slot(*slot);
            auto known = table->slots.find(i);
            std::string where = " in slot " + std::to_string(i) + name(id);
            if ((held.word != 0) != (known != table->slots.end()))
                fail("a capability too many or too few" + where);
            if (core::CapTable::stale(*slot) != table->stale.contains(i)) fail("stale or not" + where);
            if (held.word == 0) continue;
            const auto& capability = model_.capabilities.at(known->second);
            if (model_.objects.at(capability.object).type == abi::ObjectType::reply) {
                auto* reply = held.object();
                Id caller = model_.as<spec::Reply>(capability.object).caller;
                const core::Thread* expected = caller == kNone ? nullptr
                                                               : static_cast<core::Thread*>(real(caller));
                if (reply->type != abi::ObjectType::reply ||
                    static_cast<core::Reply*>(reply)->caller != expected)
                    fail("a Reply for another caller" + where);
            } else if (model_of(held.object()) != capability.object) {
                fail("a capability to another object" + where);
            }
            if (held.rights() != capability.rights) fail("I5: other rights" + where);
            if (held.badge != capability.badge) fail("another badge" + where);
            if (capability.parent == kNone) continue;  // (the kernel's may be root's)
            const auto& parent = model_.capabilities.at(capability.parent);
            if (slot->parent != static_cast<core::CapTable&>(*real(parent.table)).slot(parent.slot))
                fail("another parent" + where);
        }
        for (auto [slot, capability] : table->slots)
            if (other.slot(slot) == nullptr) fail("a slot that the kernel does not have");
        for (auto slot : table->stale)
            if (other.slot(slot) == nullptr) fail("a stale slot that the kernel does not have");
    }
}

void Twin::compare_spaces() {
    for (const auto& [id, object] : model_.objects) {
        const auto* space = std::get_if<spec::Space>(&object.body);
        if (space == nullptr) continue;
        auto& other = static_cast<core::Space&>(*real(id));
        usize found = 0;
        arch::for_each_entry(root_of(other), [&](u64 address, const arch::Entry& entry) {
            found++;
            auto known = space->pages.find(address);
            if (known == space->pages.end()) fail("I2: a mapping that should not be" + name(id));
            const auto& page = known->second;
            auto& memory = static_cast<core::Memory&>(*real(page.memory));
            if (entry.physical() != memory.frame(page.page)) fail("a mapping of another frame" + name(id));
            if (entry.dirty() != page.dirty) fail("a mapping that is dirty or not" + name(id));
            if (entry.rights() != page.rights || entry.maximum() != page.maximum)
                fail("a mapping with other rights" + name(id));
        });
        if (found != space->pages.size()) fail("a mapping is missing" + name(id));
        if (other.mapped_pages() != found) fail("a Space counts its mappings wrongly" + name(id));
        compare_ports(id, *space, other);
    }
}

/// The ports of a Space, and on the CPUs that have it loaded.
void Twin::compare_ports(Id id, const spec::Space& space, core::Space& other) NO_THREAD_SAFETY_ANALYSIS {
    using Ranges = std::multiset<std::pair<u32, u32>>;
    Ranges expected;
    for (Id bound : space.ports) {
        const auto& ports = model_.as<spec::IoPorts>(bound);
        expected.emplace(ports.first, ports.first + ports.count - 1);
    }
    auto ranges = [](std::span<const core::PortRange> open) {
        Ranges result;
        for (const auto& range : open) result.emplace(range.first, range.last);
        return result;
    };
    if (ranges({other.ports, other.port_count.load()}) != expected) fail("I2: other ports" + name(id));
    for (u32 cpu = 0; cpu < Sim::kCpus; cpu++)
        if (sim_.current(cpu) != nullptr && sim_.current(cpu)->space == &other &&
            ranges(machine().cpus[cpu].ports) != expected)
            fail("I2: a CPU opens other ports" + name(id));
}

/// Each line is masked or not, and routed only for its Interrupt.
void Twin::compare_devices() {
    std::map<u32, bool> masked;  // as the controller sees it, which can't mask messages
    for (const auto& [id, object] : model_.objects)
        if (const auto* interrupt = std::get_if<spec::Interrupt>(&object.body))
            masked[interrupt->line] = interrupt->masked && !interrupt->message;
    for (u32 line = 0; line < arch::fake::kLines; line++) {
        const auto& wire = machine().lines[line];
        auto known = masked.find(line);
        if (wire.routed != (known != masked.end())) fail("I2: a line is routed or not");
        if (wire.routed && wire.masked != known->second) fail("a line is masked or not");
    }
}

/// A thread and those at its Endpoint, as both sides see them: for the report.
std::string Twin::picture(Id thread) const {
    std::ostringstream out;
    auto line = [&](Id id) {
        const auto& t = model_.as<spec::Thread>(id);
        const auto& k = static_cast<core::Thread&>(*real(id));
        out << "\n    thread " << id << " cpu " << t.cpu << " own " << int{t.priority} << " specified "
            << int{model_.effective_priority(id)} << " state " << static_cast<int>(t.state) << " part "
            << t.part << " queued at " << t.queued_at << " current " << t.current << " lender " << t.lender
            << " server " << t.server << " registered at " << t.registered << "; kernel: own "
            << int{k.base_priority} << " priority " << int{k.priority} << " state "
            << static_cast<int>(k.state) << " cpu " << k.cpu << " part " << k.queue_cpu << " caller "
            << model_of(k.caller) << " lender " << model_of(k.lender) << " server " << model_of(k.server)
            << " depth " << int{k.depth} << (k.on_reserve ? " on reserve" : "") << (k.parked ? " parked" : "")
            << " attention " << int{k.attention};
    };
    line(thread);
    for (Id id = model_.as<spec::Thread>(thread).lender; id != kNone; id = model_.as<spec::Thread>(id).lender)
        line(id);
    Id at = model_.as<spec::Thread>(thread).registered;
    if (at != kNone) {
        const auto& e = model_.as<spec::Endpoint>(at);
        out << "\n  receive there:";
        for (Id id : e.registered) line(id);
        out << "\n  wait there:";
        for (Id id : e.senders) line(id);
    }
    return out.str();
}

void Twin::compare_threads() {
    for (const auto& [id, object] : model_.objects) {
        const auto* t = std::get_if<spec::Thread>(&object.body);
        if (t == nullptr) continue;
        const auto& other = static_cast<core::Thread&>(*real(id));
        if (other.state != expected_state(*t))
            fail("a thread's state is " + std::to_string(static_cast<int>(other.state)) + ", but should be " +
                 std::to_string(static_cast<int>(expected_state(*t))) + name(id) + picture(id));
        if (t->state == spec::State::dead) continue;
        if (((other.attention & core::kAttendStop) != 0) != t->stopped) fail("stopped or not" + name(id));
        auto same = [&](const core::Thread* link, Id expected, const char* what) {
            if (link != static_cast<core::Thread*>(expected == kNone ? nullptr : real(expected)))
                fail(what + name(id) + picture(id));
        };
        same(other.server, t->server, "another server");
        same(other.caller, t->current, "another current caller");
        same(other.lender, t->lender, "another lender");
        if (t->lender != kNone && other.on_reserve != t->on_reserve)
            fail("works on its reserve or not" + name(id) + picture(id));
        if (other.bound !=
            static_cast<core::Signal*>(t->bound_signal == kNone ? nullptr : real(t->bound_signal)))
            fail("another bound Signal" + name(id));
        if ((other.reply_slot != nullptr) != (t->reply != kNone)) fail("a Reply is there or not" + name(id));
        if (other.priority != model_.effective_priority(id) && !model_.in_circle(id))
            fail("priority " + std::to_string(other.priority) + ", but should be " +
                 std::to_string(model_.effective_priority(id)) + name(id) + picture(id));
        if (other.registered !=
            static_cast<core::Endpoint*>(t->registered == kNone ? nullptr : real(t->registered)))
            fail("receives elsewhere" + name(id));
        if (other.cpu != t->cpu) fail("on another CPU" + name(id) + picture(id));
    }
}

void Twin::compare_scheduling() {
    for (u32 cpu = 0; cpu < Sim::kCpus; cpu++) {
        auto [candidates, somebody] = model_.may_run(cpu, [this, cpu](Id budget) {
            // What a CPU found left when it began with a Budget it may use, though others use the same.
            const auto& user = core::cpus[cpu];
            bool granted = user.charged == real(budget) && user.budget_end > machine().now;
            return spent(budget) && !granted;
        });
        core::Thread* current = sim_.current(cpu);
        if (current == nullptr && somebody) fail("CPU " + std::to_string(cpu) + " idles");
        if (current != nullptr && !candidates.contains(model_of(current)))
            fail("the wrong thread runs on CPU " + std::to_string(cpu) + name(model_of(current)));
    }
}

void Twin::compare_counts() {
    const auto now = Sim::counts();
    for (usize type = 1; type < 16; type++) {
        if (static_cast<abi::ObjectType>(type) == abi::ObjectType::reply) continue;
        u64 expected = base_.objects[type] + model_.count(static_cast<abi::ObjectType>(type));
        if (now.objects[type] != expected)
            fail("I2: objects of type " + std::to_string(type) + " are counted " +
                 std::to_string(now.objects[type]) + ", not " + std::to_string(expected));
    }
    if (now.capabilities != base_.capabilities + model_.capabilities.size())
        fail("I2: capabilities are counted wrongly");
    u64 mappings = 0, slots = 0;
    for (const auto& [id, object] : model_.objects) {
        if (const auto* space = std::get_if<spec::Space>(&object.body)) mappings += space->pages.size();
        if (const auto* table = std::get_if<spec::CapTable>(&object.body))
            slots += table->slots.size() + table->stale.size();
    }
    if (now.slots != base_.slots + slots) fail("I2: taken slots are counted wrongly");
    if (now.mappings != base_.mappings + mappings) fail("I2: mappings are counted wrongly");
}

}  // namespace pith::test
