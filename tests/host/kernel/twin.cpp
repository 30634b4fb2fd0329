// SPDX-License-Identifier: MIT
// Steps that the kernel and the specification both make. What is compared after each is in twin_compare.cpp.
#include "tests/host/kernel/twin.hpp"

#include "kernel/core/budget.hpp"
#include "kernel/core/reply.hpp"

namespace pith::test {

using arch::fake::machine;
using spec::Id;

namespace {

constexpr abi::Time kEndOfTime = 1'000'000'000'000'000;
constexpr abi::RootSlot kGiven[] = {abi::RootSlot::pool,   abi::RootSlot::space,  abi::RootSlot::captable,
                                    abi::RootSlot::thread, abi::RootSlot::budget, abi::RootSlot::buffer,
                                    abi::RootSlot::machine};
// Without the right to end it.
constexpr u64 kMachineRights = abi::kAllRights & ~u64{abi::kRightManage};

bool gives_handle(Syscall number) {
    switch (number) {
        case Syscall::take_reply:
        case Syscall::signal_create:
        case Syscall::cap_copy:
        case Syscall::cap_take:
        case Syscall::pool_create:
        case Syscall::memory_create:
        case Syscall::space_create:
        case Syscall::captable_create:
        case Syscall::thread_create:
        case Syscall::budget_create:
        case Syscall::interrupt_create:
        case Syscall::ports_create:
        case Syscall::machine_device_memory:
        case Syscall::endpoint_create: return true;
        default: return false;
    }
}

bool creates(Syscall number) {
    return gives_handle(number) && number != Syscall::take_reply && number != Syscall::cap_copy &&
           number != Syscall::cap_take;
}

std::string describe(u32 cpu, Id thread, const Call& c) {
    std::ostringstream out;
    out << "cpu " << cpu << " thread " << thread << ": call " << static_cast<int>(c.number) << " handle "
        << c.handle;
    if (is_message(c.number)) {
        abi::Tag tag(c.tag);
        out << " tag " << std::hex << c.tag << std::dec << " deadline " << c.deadline;
        for (u32 i = 0; i < std::min(tag.handles(), 4u); i++)
            out << " [" << c.buffer.handles[i].handle << (c.buffer.handles[i].flags ? " moved" : "") << "]";
    } else {
        for (int i = 0; i < 4; i++) out << " " << std::hex << c.a[static_cast<usize>(i)] << std::dec;
    }
    return out.str();
}

}  // namespace

std::array<u64, 256> Twin::calls_made, Twin::calls_succeeded;

Twin::Twin(u64 pages, bool compare) : comparing(compare), model_(pages, Sim::kCpus) {
    auto& root = sim_.root();
    auto must = [&](Syscall number, HandleIndex handle, std::array<u64, 6> a = {}) {
        Answer answer = sim_.call(root, number, handle, a);
        if (answer.blocked || answer.error != Error::ok)
            fail("the set-up failed at call " + std::to_string(static_cast<int>(number)));
        return static_cast<HandleIndex>(answer.r0);
    };
    auto slot = [](abi::RootSlot s) { return static_cast<HandleIndex>(s); };
    static const HandleIndex wake = must(Syscall::signal_create, slot(abi::RootSlot::pool));
    before_ = Sim::counts();
    arena_ = must(Syscall::pool_create, slot(abi::RootSlot::pool), {pages});
    std::map<abi::RootSlot, HandleIndex> made;
    made[abi::RootSlot::pool] = arena_;
    made[abi::RootSlot::space] = must(Syscall::space_create, arena_);
    made[abi::RootSlot::captable] = must(Syscall::captable_create, arena_, {256});
    made[abi::RootSlot::buffer] = must(Syscall::memory_create, arena_, {abi::kPageSize});
    abi::BudgetParameters unlimited{.capacity = 1'000'000,
                                    .period = 1'000'000,
                                    .cpus = 0xf,
                                    .ceiling = 255,
                                    .reserved = {},
                                    .signal = 0,
                                    .signal_bits = 0};
    memcpy(root.buffer->words, &unlimited, sizeof unlimited);
    made[abi::RootSlot::budget] = must(Syscall::budget_create, arena_, {slot(abi::RootSlot::budget)});
    abi::ThreadCreate create{.space = made[abi::RootSlot::space],
                             .captable = made[abi::RootSlot::captable],
                             .handler = 0,
                             .buffer = made[abi::RootSlot::buffer],
                             .buffer_offset = 0,
                             .badge = 0,
                             .budget = made[abi::RootSlot::budget],
                             .priority = 1,
                             .kind = abi::ThreadKind::native,
                             .cpu = 0,
                             .buffer_address = 0};
    memcpy(root.buffer->words, &create, sizeof create);
    made[abi::RootSlot::thread] = must(Syscall::thread_create, arena_);
    must(Syscall::thread_start, made[abi::RootSlot::thread], {0x400000, 0x500000, 0});
    auto* thread = static_cast<core::Thread*>(Sim::object(root, made[abi::RootSlot::thread]));
    for (auto [at, handle] : made)
        must(Syscall::cap_copy, handle, {made[abi::RootSlot::captable], slot(at), abi::kAllRights, 0});
    must(Syscall::cap_copy, slot(abi::RootSlot::machine),
         {made[abi::RootSlot::captable], slot(abi::RootSlot::machine), kMachineRights, 0});
    for (auto [at, handle] : made)
        if (at != abi::RootSlot::pool) must(Syscall::cap_delete, handle);
    model_.as<spec::Thread>(model_.root_thread).priority = 1;
    model_.as<spec::Budget>(model_.find(model_.root_thread, slot(abi::RootSlot::budget))->object)
        .parameters.cpus = 0xf;
    model_.platform.ram_base = arch::fake::kRamBase;
    model_.platform.ram_size = Sim::kRam;
    for (auto& [id, capability] : model_.capabilities)
        if (model_.objects.at(capability.object).type == abi::ObjectType::machine)
            capability.rights = static_cast<abi::RightsBits>(kMachineRights);
    for (auto given : kGiven) {
        Id object = model_.find(model_.root_thread, slot(given))->object;
        pair_up(object, Sim::object(*thread, slot(given)));
        protected_.insert(object);
    }
    controllers_[0] = model_.root_thread;
    end_ = machine().now + kEndOfTime;
    spec::Call wait{.number = Syscall::signal_wait, .handle = wake, .a = {1, end_}};
    sim_.issue(0, wait);
    const auto now = Sim::counts();
    base_ = now;
    for (usize type = 0; type < 16; type++)
        base_.objects[type] -= model_.count(static_cast<abi::ObjectType>(type));
    base_.capabilities -= model_.capabilities.size();
    base_.slots -= model_.capabilities.size();
    after("the set-up");

    for (u32 cpu = 1; cpu < Sim::kCpus; cpu++) {
        call(0,
             {.number = Syscall::memory_create, .handle = slot(abi::RootSlot::pool), .a = {abi::kPageSize}});
        create.space = slot(abi::RootSlot::space);
        create.captable = slot(abi::RootSlot::captable);
        create.budget = slot(abi::RootSlot::budget);
        create.buffer = last_handle;
        create.cpu = static_cast<u16>(cpu);
        protected_.insert(model_.find(controllers_[0], last_handle)->object);
        Call c{.number = Syscall::thread_create, .handle = slot(abi::RootSlot::pool)};
        memcpy(c.buffer.words, &create, sizeof create);
        call(0, c);
        controllers_[cpu] = model_.find(controllers_[0], last_handle)->object;
        protected_.insert(controllers_[cpu]);
        call(0, {.number = Syscall::thread_start, .handle = last_handle, .a = {0x400000, 0x500000, 0}});
    }
}

void Twin::pair_up(Id object, core::Object* real) {
    real_[object] = real;
    ids_[real] = object;
}

core::Object* Twin::real(Id object) const {
    auto found = real_.find(object);
    return found == real_.end() ? nullptr : found->second;
}

Id Twin::model_of(const core::Object* object) const {
    auto found = ids_.find(object);
    return found == ids_.end() ? spec::kNone : found->second;
}

Id Twin::running(u32 cpu) const {
    auto* thread = sim_.current(cpu);
    return thread == nullptr ? spec::kNone : model_of(thread);
}

/// Where the kernel put a capability: a slot that the specification does not know of yet, with the same in it.
HandleIndex Twin::find_slot(Id table, const spec::Capability& capability) {
    if (handle_result_ != 0) return static_cast<HandleIndex>(std::exchange(handle_result_, 0));
    auto* real_table = static_cast<core::CapTable*>(real(table));
    const auto& known = model_.as<spec::CapTable>(table).slots;
    bool is_reply = model_.objects.at(capability.object).type == abi::ObjectType::reply;
    for (HandleIndex i = 1; i < abi::kMaxSlots; i++) {
        core::Slot* slot = real_table->slot(i);
        if (slot == nullptr || known.contains(i) || taken_.contains(i)) continue;
        auto held = core::read_slot(*slot);
        if (held.word == 0) continue;
        core::Object* object = held.object();
        bool same = is_reply ? object->type == abi::ObjectType::reply : model_of(object) == capability.object;
        if (!same || held.rights() != capability.rights || held.badge != capability.badge) continue;
        taken_.insert(i);
        return i;
    }
    return 0;
}

/// Which of the candidates the kernel served: the one that does not wait there any more.
Id Twin::find_thread(const std::vector<Id>& candidates) {
    for (Id id : candidates) {
        auto state = static_cast<core::Thread*>(real(id))->state;
        bool waits = state == core::State::queued_call || state == core::State::queued_send ||
                     state == core::State::queued_event || state == core::State::receiving;
        if (!waits) return id;
    }
    return candidates.front();
}

void Twin::call(u32 cpu, const Call& c) {
    core::Thread* thread = sim_.current(cpu);
    Id id = model_of(thread);
    log.push_back(describe(cpu, id, c));
    if (const auto* target = model_.find(id, c.handle); target != nullptr)
        log.back() += " (object " + std::to_string(target->object) + ")";
    model_.now = machine().now;
    sim_.issue(cpu, c);
    // Preempted in its middle: the others of its priority take their turns until it has ended. If one of a higher priority
    // runs, the two cannot be compared any further, since for the specification calls are atomic.
    for (int turns = 0; thread->restarted && thread->state == core::State::ready; turns++) {
        if (turns > 100 || sim_.current(cpu) == nullptr) throw CutShort();
        sim_.rotate(cpu);
    }
    Answer answer = sim_.answer(*thread);
    spec::Observed observed{
        .error = answer.blocked ? Error::ok : answer.error,
        .progress = answer.r0,
        .mapped = [this](Id space, u64 address) { return maps(space, address); },
        .choose_slot = [this](Id table,
                              const spec::Capability& capability) { return find_slot(table, capability); },
        .choose_thread = [this](const std::vector<Id>& candidates) { return find_thread(candidates); }};
    bool succeeded = !answer.blocked && answer.error == Error::ok;
    calls_made[static_cast<usize>(c.number)]++;
    if (succeeded || answer.blocked) Twin::calls_succeeded[static_cast<usize>(c.number)]++;
    handle_result_ = succeeded && gives_handle(c.number) ? answer.r0 : 0;
    taken_.clear();
    spec::Outcome outcome = model_.call(id, c, observed);
    handle_result_ = 0;
    last_error = answer.error;
    last_handle = 0;
    if (!outcome.blocks) {
        if (answer.blocked) fail("the kernel blocks, the specification does not" + picture(id));
        compare_result(c, *thread, answer, outcome);
        if (succeeded && gives_handle(c.number)) last_handle = static_cast<HandleIndex>(answer.r0);
    }
    if (succeeded && creates(c.number)) {
        Id object = model_.find(id, static_cast<HandleIndex>(answer.r0))->object;
        pair_up(object, Sim::object(*thread, static_cast<HandleIndex>(answer.r0)));
    }
    after("a call");
}

/// The answer of a call that ended at once.
void Twin::compare_result(const Call& c, core::Thread& thread, const Answer& answer,
                          const spec::Outcome& outcome) {
    bool succeeded = answer.error == Error::ok;
    bool right = outcome.errors.empty() ? succeeded : outcome.errors.contains(answer.error);
    if (!right) {
        std::ostringstream text;
        for (Error error : outcome.errors) text << " " << static_cast<int>(error);
        fail("the kernel answers " + std::to_string(static_cast<int>(answer.error)) + ", the specification" +
             (outcome.errors.empty() ? " ok" : text.str()));
    }
    if (!succeeded && c.number != Syscall::space_map) return;
    if (!outcome.any_values && answer.r0 != outcome.r0) fail("r0 differs");
    if (c.number == Syscall::cap_info && (answer.r1 != outcome.r1 || answer.r2 != outcome.r2))
        fail("r1 or r2 differ");
    if (!succeeded) return;
    for (const spec::Word& word : outcome.output) {
        u64 got = thread.buffer->words[word.index] & word.mask;
        if (got < word.least || got > word.most)
            fail("word " + std::to_string(word.index) + " of the buffer is " + std::to_string(got) +
                 ", but should be " + std::to_string(word.least) + " to " + std::to_string(word.most));
    }
    if (c.number == Syscall::machine_log) {
        std::string logged(reinterpret_cast<const char*>(c.buffer.words), c.a[0]);
        if (!machine().console.ends_with(logged)) fail("other text on the console");
        machine().console.clear();
    }
    if (c.number == Syscall::machine_info && c.a[0] == static_cast<u64>(abi::MachineInfo::kernel)) {
        abi::KernelCounts told, exact = Sim::counts();
        memcpy(&told, thread.buffer->words, sizeof told);
        told.pages_total = exact.pages_total;  // (without what the CPUs' caches keep)
        told.pages_free = exact.pages_free;
        if (memcmp(&told, &exact, sizeof told) != 0) fail("other counts");
    }
}

void Twin::foreign_syscall(u32 cpu) {
    core::Thread* thread = sim_.current(cpu);
    Id id = model_of(thread);
    log.push_back("cpu " + std::to_string(cpu) + " thread " + std::to_string(id) + ": foreign system call");
    std::array<u64, 8> words{};
    thread->frame.foreign_words(words.data());
    sim_.foreign_syscall(cpu);
    model_.raise(id, abi::Event::syscall, words);
    after("a foreign system call");
}

void Twin::fault(u32 cpu, u64 address, u64 access) {
    core::Thread* thread = sim_.current(cpu);
    Id id = model_of(thread);
    log.push_back("cpu " + std::to_string(cpu) + " thread " + std::to_string(id) + ": page fault");
    std::array<u64, 8> words{address, access, thread->frame.ip()};
    sim_.fault(cpu, address, access);
    model_.raise(id, abi::Event::page_fault, words);
    after("a fault");
}

bool Twin::spent(Id budget) const {
    abi::Time refill = 0;
    return static_cast<core::Budget*>(real(budget))->available(machine().now, refill) == 0;
}

/// How often each Budget has run out so far.
std::vector<std::pair<Id, u64>> Twin::overruns() const {
    std::vector<std::pair<Id, u64>> result;
    for (const auto& [id, object] : real_)
        if (object->type == abi::ObjectType::budget)
            result.emplace_back(id, static_cast<core::Budget*>(object)->info(machine().now).overruns);
    return result;
}

/// Time passes: Budgets run out, and tell their Signals; then deadlines pass. (Which of two things that are due at once comes
/// first is the kernel's choice: a wait that it ended with bits had them before its deadline.)
void Twin::advance(abi::Time nanoseconds) {
    log.push_back("time advances by " + std::to_string(nanoseconds));
    const auto before = overruns();
    sim_.advance(nanoseconds);
    std::vector<Id> late;
    const auto now = overruns();
    for (usize i = 0; i < before.size(); i++) {
        auto [budget, count] = now[i];
        if (count == before[i].second) continue;
        Id target = model_.as<spec::Budget>(budget).signal;
        if (target == spec::kNone) continue;
        const auto& signal = model_.as<spec::Signal>(target);
        auto timed_out = [&](Id waiter) {
            if (waiter == spec::kNone) return false;
            auto* thread = static_cast<core::Thread*>(real(waiter));
            return Sim::ended(*thread) && sim_.answer(*thread).error == Error::timed_out;
        };
        if (timed_out(signal.waiter) || timed_out(signal.bound)) late.push_back(budget);
        else model_.overrun(budget);
    }
    model_.advance(machine().now);
    for (Id budget : late) model_.overrun(budget);
    after("a moment");
}

void Twin::interrupt(u32 line) {
    log.push_back("interrupt " + std::to_string(line));
    bool arrived = sim_.interrupt(line);
    if (model_.interrupt(line) != arrived) fail("an interrupt arrives, or not");
    after("an interrupt");
}

void Twin::write(u32 cpu, u64 address) {
    Id id = running(cpu);
    log.push_back("cpu " + std::to_string(cpu) + " thread " + std::to_string(id) + ": writes");
    bool written = sim_.write(cpu, address);
    if (model_.write(id, address) != written) fail("a write succeeds, or not");
    after("a write");
}

void Twin::use_fpu(u32 cpu, u32 index, u64 value) {
    Id id = running(cpu);
    log.push_back("cpu " + std::to_string(cpu) + " thread " + std::to_string(id) + ": uses the FPU");
    const u64 rip = sim_.current(cpu)->frame.ip();
    if (auto* registers = sim_.fpu(cpu); registers != nullptr) {
        auto& expected = model_.as<spec::Thread>(id).fpu;
        if (*registers != expected) fail("another FPU state");
        (*registers)[index] = expected[index] = value;
    } else {
        model_.raise(id, abi::Event::exception, {7, 0, rip});  // its Pool has no room for the state
    }
    after("an FPU instruction");
}

void Twin::end() {
    log.push_back("the end");
    sim_.advance(end_ - machine().now + 1);
    auto& root = sim_.root();
    if (sim_.current(0) != &root) fail("root does not run at the end");
    Answer answer = sim_.call(root, Syscall::object_destroy, arena_);
    if (answer.blocked || answer.error != Error::ok) fail("the last destruction failed");
    if (std::string wrong = Sim::differences(before_, Sim::counts()); !wrong.empty())
        fail("I2, I3: " + wrong);
    if (std::string wrong = sim_.check(); !wrong.empty()) fail(wrong);
    if (std::string wrong = Sim::check_frames(); !wrong.empty()) fail(wrong);
}

}  // namespace pith::test
