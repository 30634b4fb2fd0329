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
                                    abi::RootSlot::thread, abi::RootSlot::budget, abi::RootSlot::buffer};

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

Twin::Twin(u64 pages) : model_(pages, Sim::kCpus) {
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
    for (auto [at, handle] : made)
        if (at != abi::RootSlot::pool) must(Syscall::cap_delete, handle);
    model_.as<spec::Thread>(model_.root_thread).priority = 1;
    model_.as<spec::Budget>(model_.find(model_.root_thread, slot(abi::RootSlot::budget))->object)
        .parameters.cpus = 0xf;
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
        if (turns > 100 || sim_.current(cpu) == nullptr ||
            sim_.current(cpu)->kind == abi::ThreadKind::foreign)
            throw CutShort();
        sim_.issue(cpu, {.number = Syscall::yield});
    }
    Answer answer = sim_.answer(*thread);
    spec::Observed observed{
        .error = answer.blocked ? Error::ok : answer.error,
        .progress = answer.r0,
        .choose_slot = [this](Id table,
                              const spec::Capability& capability) { return find_slot(table, capability); },
        .choose_thread = [this](const std::vector<Id>& candidates) { return find_thread(candidates); }};
    bool succeeded = !answer.blocked && answer.error == Error::ok;
    handle_result_ = succeeded && gives_handle(c.number) ? answer.r0 : 0;
    taken_.clear();
    spec::Outcome outcome = model_.call(id, c, observed);
    handle_result_ = 0;
    if (!outcome.blocks) {
        std::ostringstream text;
        for (Error error : outcome.errors) text << " " << static_cast<int>(error);
        if (answer.blocked) fail("the kernel blocks, the specification answers" + text.str() + picture(id));
        bool right = outcome.errors.empty() ? answer.error == Error::ok
                                            : outcome.errors.contains(answer.error);
        if (!right)
            fail("the kernel answers " + std::to_string(static_cast<int>(answer.error)) +
                 ", the specification" + (outcome.errors.empty() ? " ok" : text.str()));
        bool has_values = c.number == Syscall::space_map || (succeeded && c.number != Syscall::clock);
        if (has_values && answer.r0 != outcome.r0) fail("r0 differs");
        if (succeeded && c.number == Syscall::cap_info &&
            (answer.r1 != outcome.r1 || answer.r2 != outcome.r2))
            fail("r1 or r2 differ");
        last_error = answer.error;
        last_handle = succeeded && gives_handle(c.number) ? static_cast<HandleIndex>(answer.r0) : 0;
    } else {
        last_handle = 0;
    }
    if (succeeded && creates(c.number)) {
        Id object = model_.find(id, static_cast<HandleIndex>(answer.r0))->object;
        pair_up(object, Sim::object(*thread, static_cast<HandleIndex>(answer.r0)));
    }
    after("a call");
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

void Twin::advance(abi::Time nanoseconds) {
    log.push_back("time advances by " + std::to_string(nanoseconds));
    sim_.advance(nanoseconds);
    model_.advance(machine().now);
    after("a moment");
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
