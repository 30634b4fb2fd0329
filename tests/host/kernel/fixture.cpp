// SPDX-License-Identifier: MIT
#include "tests/host/kernel/fixture.hpp"

#include "kernel/core/entry.hpp"

namespace pith::test {

Call message(Syscall number, HandleIndex handle, const Send& send) {
    Call call{.number = number, .handle = handle};
    call.tag = abi::Tag(send.operation, static_cast<u32>(send.data.size()),
                        static_cast<u32>(send.handles.size()))
                   .bits();
    call.deadline = send.deadline;
    call.words = send.words;
    std::ranges::copy(send.data, call.buffer.words);
    std::ranges::copy(send.handles, call.buffer.handles);
    return call;
}

void KernelTest::SetUp() {
    sim.settle();
    ASSERT_EQ(sim.current(0), &sim.root());
    before = Sim::counts();
    arena = static_cast<HandleIndex>(
        ok(Syscall::pool_create, static_cast<HandleIndex>(abi::RootSlot::pool), {4000}));
}

void KernelTest::TearDown() {
    sim.on_window = nullptr;
    auto end = root(Syscall::object_destroy, arena);
    EXPECT_FALSE(end.blocked);
    EXPECT_EQ(end.error, Error::ok);
    for (HandleIndex handle : copies) root(Syscall::cap_delete, handle);
    sim.give_up_stale_slots();
    EXPECT_EQ(Sim::differences(before, Sim::counts()), "");
    EXPECT_EQ(sim.check(), "");
    EXPECT_EQ(sim.check_frames(), "");
}

u64 KernelTest::ok(Syscall number, HandleIndex handle, std::array<u64, 6> a) {
    Answer answer = root(number, handle, a);
    EXPECT_FALSE(answer.blocked) << "call " << static_cast<int>(number);
    EXPECT_EQ(answer.error, Error::ok) << "call " << static_cast<int>(number);
    return answer.r0;
}

Actor KernelTest::actor(ActorOptions options) {
    HandleIndex from = options.pool == 0 ? arena : options.pool;
    if (options.buffer == 0)
        options.buffer = static_cast<HandleIndex>(ok(Syscall::memory_create, from, {kPage}));
    bool foreign = options.kind == abi::ThreadKind::foreign;
    put(abi::ThreadCreate{.space = options.space,
                          .captable = foreign ? 0 : options.captable,
                          .handler = options.handler,
                          .buffer = options.buffer,
                          .buffer_offset = options.buffer_offset,
                          .badge = options.badge,
                          .budget = options.budget,
                          .priority = options.priority,
                          .kind = options.kind,
                          .cpu = static_cast<u16>(options.cpu),
                          .buffer_address = 0});
    Actor result;
    result.handle = static_cast<HandleIndex>(ok(Syscall::thread_create, from));
    result.thread = static_cast<core::Thread*>(Sim::object(sim.root(), result.handle));
    if (options.start && !foreign) ok(Syscall::thread_start, result.handle, {0x400000, 0x500000, 0});
    if (options.start && foreign) {
        auto& page = *reinterpret_cast<abi::ForeignState*>(result.thread->buffer);
        page.rip = 0x400000;
        page.rsp = 0x500000;
        ok(Syscall::thread_resume, result.handle, {static_cast<u64>(abi::Resume::state)});
    }
    return result;
}

void KernelTest::begin(const Actor& a, const Call& call) {
    rotate_to(a);
    sim.on_window = [] {
        core::this_cpu().rotate = true;
        core::timer_entry(true);
    };
    load(*a.thread, call);
    sim.on(a.thread->cpu, [] { arch::fake::system_call(); });
    sim.on_window = nullptr;
    ASSERT_FALSE(runs(a));
    ASSERT_FALSE(Sim::ended(*a.thread));
}

Answer KernelTest::map(HandleIndex space, HandleIndex memory, u64 address, u64 pages, u32 flags, u64 offset) {
    put(abi::MapRange{
        .address = address, .memory = memory, .flags = flags, .offset = offset, .length = pages * kPage});
    return root(Syscall::space_map, space, {1});
}

HandleIndex KernelTest::budget(u64 capacity, u64 period, u8 ceiling, HandleIndex reported, u64 bits) {
    put(abi::BudgetParameters{.capacity = capacity,
                              .period = period,
                              .cpus = 0xf,
                              .ceiling = ceiling,
                              .reserved = {},
                              .signal = reported,
                              .signal_bits = bits});
    return static_cast<HandleIndex>(
        ok(Syscall::budget_create, arena, {static_cast<u64>(abi::RootSlot::budget)}));
}

}  // namespace pith::test
