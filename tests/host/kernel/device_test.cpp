// SPDX-License-Identifier: MIT
// Interrupts, I/O ports, device memory, and what the Machine tells.
#include "arch/interrupt.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/core/space.hpp"
#include "tests/host/kernel/fixture.hpp"

namespace pith::test {
namespace {

using arch::fake::machine;

constexpr auto kMachine = static_cast<HandleIndex>(abi::RootSlot::machine);
constexpr auto kThread = static_cast<HandleIndex>(abi::RootSlot::thread);
constexpr auto kSpace = static_cast<HandleIndex>(abi::RootSlot::space);
constexpr u64 kDevice = 0x4000'0000;  // not RAM

class DeviceTest : public KernelTest {
  protected:
    HandleIndex interrupt(u32 line) {
        return static_cast<HandleIndex>(ok(Syscall::interrupt_create, kMachine, {arena, line, 0}));
    }
    HandleIndex ports(u64 first, u64 count, HandleIndex from = 0) {
        return static_cast<HandleIndex>(
            ok(Syscall::ports_create, kMachine, {from == 0 ? arena : from, first, count}));
    }
    /// First ports of the ranges that CPU 0, in root's Space, has open.
    std::multiset<u32> open() {
        std::multiset<u32> result;
        for (const auto& range : machine().cpus[0].ports) result.insert(range.first);
        return result;
    }
    HandleIndex without(HandleIndex handle, abi::RightsBits right) {
        return copy(handle, u64{abi::kAllRights} & ~u64{right});
    }
};

TEST_F(DeviceTest, InterruptIsMaskedUntilAcknowledged) {
    HandleIndex line = interrupt(5), s = signal();
    EXPECT_FALSE(sim.interrupt(5));
    EXPECT_EQ(root(Syscall::interrupt_acknowledge, line).error, Error::bad_state);
    ok(Syscall::interrupt_bind, line, {s, 6});
    ok(Syscall::interrupt_acknowledge, line);
    EXPECT_TRUE(sim.interrupt(5));
    EXPECT_FALSE(sim.interrupt(5));
    EXPECT_EQ(ok(Syscall::signal_wait, s, {~u64{0}, abi::kPoll}), 6u);
    ok(Syscall::interrupt_bind, line, {s, 8});
    ok(Syscall::interrupt_acknowledge, line);
    EXPECT_TRUE(sim.interrupt(5));
    EXPECT_EQ(ok(Syscall::signal_wait, s, {~u64{0}, abi::kPoll}), 8u);
}

TEST_F(DeviceTest, InterruptOutlivesItsSignal) {
    HandleIndex line = interrupt(5), s = signal();
    ok(Syscall::interrupt_bind, line, {s, 1});
    ok(Syscall::interrupt_acknowledge, line);
    ok(Syscall::object_destroy, s);
    EXPECT_TRUE(sim.interrupt(5));
    EXPECT_TRUE(machine().lines[5].masked);
    EXPECT_EQ(root(Syscall::interrupt_acknowledge, line).error, Error::bad_state);
    ok(Syscall::object_destroy, line);
    EXPECT_FALSE(machine().lines[5].routed);
    interrupt(5);
}

TEST_F(DeviceTest, MessagesAreNotedUntilAcknowledged) {
    HandleIndex s = signal();
    Answer made = root(Syscall::interrupt_create, kMachine, {arena, 0, abi::kInterruptMessage});
    ASSERT_EQ(made.error, Error::ok);
    const u32 line = arch::kInterruptLines - 1;
    EXPECT_EQ(made.r1, 0xfee0'0000u);
    EXPECT_EQ(made.r2, line);
    HandleIndex i = static_cast<HandleIndex>(made.r0);
    auto bits = [&] { return root(Syscall::signal_wait, s, {~u64{0}, abi::kPoll}); };
    ok(Syscall::interrupt_bind, i, {s, 2});
    EXPECT_TRUE(sim.interrupt(line));  // nobody has acknowledged yet, as after a restart
    EXPECT_EQ(bits().error, Error::timed_out);
    ok(Syscall::interrupt_acknowledge, i);
    EXPECT_EQ(bits().r0, 2u);
    EXPECT_TRUE(sim.interrupt(line));
    EXPECT_TRUE(sim.interrupt(line));
    EXPECT_EQ(bits().error, Error::timed_out);  // both make one
    ok(Syscall::interrupt_acknowledge, i);
    EXPECT_EQ(bits().r0, 2u);
    ok(Syscall::interrupt_acknowledge, i);
    EXPECT_EQ(bits().error, Error::timed_out);
    EXPECT_TRUE(sim.interrupt(line));
    EXPECT_EQ(bits().r0, 2u);
    ok(Syscall::object_destroy, i);
    EXPECT_FALSE(sim.interrupt(line));
}

TEST_F(DeviceTest, MessagesRunOut) {
    std::vector<u64> lines;
    for (;;) {
        Answer made = root(Syscall::interrupt_create, kMachine, {arena, 0, abi::kInterruptMessage});
        if (made.error != Error::ok) {
            EXPECT_EQ(made.error, Error::busy);
            break;
        }
        lines.push_back(made.r2);
    }
    EXPECT_EQ(lines, (std::vector<u64>{31, 30, 29, 28, 27, 26, 25, 24}));
}

TEST_F(DeviceTest, DmaAddress) {
    const HandleIndex run = make(Syscall::memory_create, {3 * kPage, abi::kMemoryContiguous});
    const u64 address = ok(Syscall::machine_dma_address, kMachine, {run});
    EXPECT_EQ(address, static_cast<core::Memory*>(Sim::object(sim.root(), run))->frame(0));
    EXPECT_EQ(root(Syscall::machine_dma_address, kMachine, {memory(1)}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::machine_dma_address, kMachine, {arena}).error, Error::wrong_type);
    EXPECT_EQ(root(Syscall::machine_dma_address, without(kMachine, 1), {run}).error, Error::no_right);
}

TEST_F(DeviceTest, InterruptErrors) {
    HandleIndex line = interrupt(5);
    EXPECT_EQ(root(Syscall::interrupt_create, kMachine, {arena, 5, 0}).error, Error::busy);
    EXPECT_EQ(root(Syscall::interrupt_create, kMachine, {arena, 30, 0}).error, Error::unsupported);
    EXPECT_EQ(root(Syscall::interrupt_create, kMachine, {arena, 32, 0}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::interrupt_create, kMachine, {arena, 6, 4}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::interrupt_create, kMachine, {arena, 0, 5}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::interrupt_create, kMachine, {0, 6, 0}).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::interrupt_create, arena, {arena, 6, 0}).error, Error::wrong_type);
    EXPECT_EQ(root(Syscall::interrupt_create, without(kMachine, 1), {arena, 6, 0}).error, Error::no_right);
    EXPECT_EQ(root(Syscall::interrupt_bind, line, {arena, 1}).error, Error::wrong_type);
    EXPECT_EQ(root(Syscall::interrupt_bind, without(line, 1), {arena, 1}).error, Error::no_right);
    EXPECT_EQ(root(Syscall::interrupt_acknowledge, without(line, 2)).error, Error::no_right);
    EXPECT_EQ(root(Syscall::interrupt_acknowledge, arena).error, Error::wrong_type);
    sim.on(2, [] { core::interrupt_entry(9, false); });  // nobody's
    sim.on(2, [] { core::interrupt_entry(900, false); });
}

TEST_F(DeviceTest, PortsAreOpenInTheirSpace) {
    HandleIndex a = ports(0x60, 5), b = ports(0x3f8, 8), c = ports(0xffff, 1);
    ok(Syscall::ports_bind, a, {kSpace});
    ok(Syscall::ports_bind, b, {kSpace});
    ok(Syscall::ports_bind, c, {kSpace});
    EXPECT_EQ(open(), (std::multiset<u32>{0x60, 0x3f8, 0xffff}));
    EXPECT_EQ(machine().cpus[0].ports[2].last, 0xffff);
    ok(Syscall::object_destroy, a);
    EXPECT_EQ(open(), (std::multiset<u32>{0x3f8, 0xffff}));
    ok(Syscall::object_destroy, c);
    EXPECT_EQ(open(), (std::multiset<u32>{0x3f8}));
    ok(Syscall::object_destroy, b);
    EXPECT_TRUE(open().empty());
}

TEST_F(DeviceTest, PortsThatDieTogetherAreAllClosed) {
    HandleIndex below = pool(20);
    HandleIndex a = ports(0x60, 5, below), b = ports(0x3f8, 8, below), c = ports(0x70, 2);
    ok(Syscall::ports_bind, a, {kSpace});
    ok(Syscall::ports_bind, b, {kSpace});
    ok(Syscall::ports_bind, a, {kSpace});
    ok(Syscall::ports_bind, c, {kSpace});
    ok(Syscall::ports_bind, b, {kSpace});
    ok(Syscall::object_destroy, below);
    EXPECT_EQ(open(), (std::multiset<u32>{0x70}));
    ok(Syscall::object_destroy, c);
    EXPECT_TRUE(open().empty());
}

TEST_F(DeviceTest, PortsOnOtherCpus) {
    Actor other = actor({.cpu = 1});
    ASSERT_TRUE(runs(other));
    HandleIndex a = ports(0x60, 5);
    ok(Syscall::ports_bind, a, {kSpace});
    ASSERT_EQ(machine().cpus[1].ports.size(), 1u);
    HandleIndex space = make(Syscall::space_create);
    ok(Syscall::ports_bind, a, {space});
    ok(Syscall::object_destroy, space);
    ok(Syscall::object_destroy, a);
    EXPECT_TRUE(machine().cpus[1].ports.empty());
}

TEST_F(DeviceTest, PortsErrors) {
    EXPECT_EQ(root(Syscall::ports_create, kMachine, {arena, 0x10000, 1}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::ports_create, kMachine, {arena, 0, 0}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::ports_create, kMachine, {arena, 1, 0x10000}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::ports_create, without(kMachine, 1), {arena, 0, 1}).error, Error::no_right);
    HandleIndex all = ports(0, 0x10000), space = make(Syscall::space_create);
    EXPECT_EQ(root(Syscall::ports_bind, without(all, 1), {space}).error, Error::no_right);
    EXPECT_EQ(root(Syscall::ports_bind, all, {without(space, abi::kRightManage)}).error, Error::no_right);
    for (usize i = 0; i < core::Space::kPortRanges; i++) ok(Syscall::ports_bind, all, {space});
    EXPECT_EQ(root(Syscall::ports_bind, all, {space}).error, Error::no_slot);
}

TEST_F(DeviceTest, OverlappingDeviceMemoriesTakeTurns) {
    auto device = [&](u64 first, u64 pages) {
        auto made = root(Syscall::machine_device_memory, kMachine,
                         {arena, kDevice + first * kPage, pages * kPage, 0});
        EXPECT_EQ(made.error, Error::ok);
        return static_cast<HandleIndex>(made.r0);
    };
    auto mapped = [&](HandleIndex memory) {
        ok(Syscall::memory_info, memory);
        return get<abi::MemoryInfo>(sim.root()).mapped_pages;
    };
    // The same frames, one page of the one and one of the other: each keeps its own, whoever goes first.
    for (u32 round = 0; round < 2; round++) {
        HandleIndex a = device(0, 4), b = device(2, 4), space = make(Syscall::space_create),
                    other = make(Syscall::space_create);
        for (u64 i = 0; i < 8; i++) {
            // Both begin with the third page of the first one.
            const bool first = i % 2 == 0;
            ASSERT_EQ(
                map(space, first ? a : b, 0x10000 + i * kPage, 1, abi::kMapRead, first ? 2 * kPage : 0).error,
                Error::ok);
        }
        EXPECT_EQ(mapped(a), 4u);
        EXPECT_EQ(mapped(b), 4u);
        put(abi::ShareRange{.source = space,
                            .rights = abi::kMapRead,
                            .address = 0x10000,
                            .length = 8 * kPage,
                            .source_rights = abi::kMapRead,
                            .reserved = 0});
        ASSERT_EQ(root(Syscall::space_share, other).error, Error::ok);
        EXPECT_EQ(mapped(a), 8u);
        ok(Syscall::space_unmap, space, {0x12000, kPage});
        EXPECT_EQ(mapped(a), 7u);
        EXPECT_EQ(mapped(b), 8u);
        ok(Syscall::object_destroy, round == 0 ? a : b);
        EXPECT_EQ(mapped(round == 0 ? b : a), round == 0 ? 8u : 7u);
        ok(Syscall::space_info, space);
        EXPECT_EQ(get<abi::SpaceInfo>(sim.root()).mapped_pages, round == 0 ? 4u : 3u);
    }
    // Up to eight that cover a frame; a ninth is refused, and one that doesn't is not.
    HandleIndex space = make(Syscall::space_create);
    for (u64 i = 0; i < 8; i++)
        ASSERT_EQ(map(space, device(0, 1), 0x20000 + i * kPage, 1, abi::kMapRead).error, Error::ok);
    EXPECT_EQ(map(space, device(0, 2), 0x30000, 1, abi::kMapRead).error, Error::busy);
    EXPECT_EQ(map(space, device(1, 1), 0x30000, 1, abi::kMapRead).error, Error::ok);
}

TEST_F(DeviceTest, DeviceMemory) {
    auto device = [&](u64 base, u64 bytes, u64 flags = 0) {
        return root(Syscall::machine_device_memory, kMachine, {arena, base, bytes, flags});
    };
    EXPECT_EQ(device(kDevice + 1, kPage).error, Error::invalid);
    EXPECT_EQ(device(kDevice, 0).error, Error::invalid);
    EXPECT_EQ(device(kDevice, kPage, 2).error, Error::invalid);
    EXPECT_EQ(device(kDevice, ~u64{0}).error, Error::invalid);
    EXPECT_EQ(device(arch::fake::kRamBase + kPage, kPage).error, Error::invalid);  // RAM is the Pools'
    auto registers = static_cast<HandleIndex>(device(kDevice, 2 * kPage - 5).r0);
    auto table = static_cast<HandleIndex>(device(kDevice + 16 * kPage, kPage, abi::kDeviceCached).r0);
    ok(Syscall::memory_info, registers);
    EXPECT_EQ(get<abi::MemoryInfo>(sim.root()).size, 2 * kPage);
    HandleIndex space = make(Syscall::space_create);
    EXPECT_EQ(map(space, registers, 0x5000, 2, abi::kMapRead | abi::kMapWrite).error, Error::ok);
    EXPECT_EQ(map(space, table, 0x9000, 1, abi::kMapRead).error, Error::ok);
    // Not RAM, so nobody's buffer; and its frames do not go anywhere.
    put(abi::ThreadCreate{.space = space,
                          .captable = 0,
                          .handler = 0,
                          .buffer = registers,
                          .buffer_offset = 0,
                          .badge = 0,
                          .budget = 0,
                          .priority = 0,
                          .kind = abi::ThreadKind::foreign,
                          .cpu = 0,
                          .buffer_address = 0});
    EXPECT_EQ(root(Syscall::thread_create, arena).error, Error::invalid);
    ok(Syscall::space_info, space);
    EXPECT_EQ(get<abi::SpaceInfo>(sim.root()).attachments, 2u);
    ok(Syscall::object_destroy, registers);
    ok(Syscall::space_info, space);
    EXPECT_EQ(get<abi::SpaceInfo>(sim.root()).mapped_pages, 1u);
    ok(Syscall::space_unmap, space, {0x9000, kPage});
}

TEST_F(DeviceTest, MachineInfo) {
    auto info = [&](u64 selector, u64 cpu = 0, u64 from = 0) {
        return root(Syscall::machine_info, kMachine, {selector, cpu, from});
    };
    ASSERT_EQ(info(0).error, Error::ok);
    auto told = get<abi::KernelCounts>(sim.root());
    auto exact = Sim::counts();
    EXPECT_EQ(told.capabilities, exact.capabilities);
    EXPECT_EQ(memcmp(told.objects, exact.objects, sizeof told.objects), 0);
    EXPECT_LE(told.pages_free, told.pages_total);
    ASSERT_EQ(info(1, 0).error, Error::ok);
    EXPECT_GT(get<abi::CpuCounts>(sim.root()).switches, 0u);
    EXPECT_EQ(info(1, Sim::kCpus).error, Error::invalid);
    EXPECT_EQ(info(2, Sim::kCpus).error, Error::invalid);
    EXPECT_EQ(info(3).error, Error::invalid);
    EXPECT_EQ(info(u64{1} << 32).error, Error::invalid);
    EXPECT_EQ(root(Syscall::machine_info, without(kMachine, 2), {0}).error, Error::no_right);
}

TEST_F(DeviceTest, TraceTellsTheLatest) {
    for (u64 i = 0; i < abi::kTraceDefault / sizeof(abi::TraceRecord) + 16; i++) root(Syscall::clock);
    auto read = [&](u64 from) { return root(Syscall::machine_info, kMachine, {2, 0, from}); };
    Answer oldest = read(0);
    EXPECT_EQ(oldest.r0, 16u);
    EXPECT_GT(oldest.r1, 0u);
    const auto record = get<abi::TraceRecord>(sim.root());
    EXPECT_EQ(record.kind, static_cast<u32>(core::TraceKind::system_call));
    EXPECT_EQ(static_cast<u32>(record.a), static_cast<u32>(Syscall::clock));
    EXPECT_EQ(read(oldest.r1 + 10'000).r0, 0u);
    EXPECT_EQ(read(~u64{0}).error, Error::ok);
}

TEST_F(DeviceTest, TraceIsWrittenAndMapped) {
    EXPECT_EQ(root(Syscall::trace_mark, 0, {0x6b72616d, 7}).error, Error::ok);
    EXPECT_EQ(root(Syscall::thread_name, kThread, {1, 2, 3, 4, 5}).error, Error::ok);
    EXPECT_EQ(root(Syscall::thread_name, without(kThread, abi::kRightManage)).error, Error::no_right);
    EXPECT_EQ(root(Syscall::thread_name, kMachine).error, Error::wrong_type);
    const auto pool = static_cast<HandleIndex>(abi::RootSlot::pool);
    EXPECT_EQ(root(Syscall::machine_trace, without(kMachine, 2), {pool, 0}).error, Error::no_right);
    EXPECT_EQ(root(Syscall::machine_trace, kMachine, {pool, Sim::kCpus}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::machine_trace, kMachine, {kMachine, 0}).error, Error::wrong_type);
}

TEST_F(DeviceTest, Log) {
    memcpy(sim.root().buffer->words, "kept in view", 12);
    ok(Syscall::machine_log, kMachine, {12});
    EXPECT_TRUE(machine().console.ends_with("kept in view"));
    ok(Syscall::machine_log, kMachine, {0});
    EXPECT_EQ(root(Syscall::machine_log, kMachine, {sizeof(abi::MessageBuffer::words) + 1}).error,
              Error::invalid);
    EXPECT_EQ(root(Syscall::machine_log, without(kMachine, 4), {1}).error, Error::no_right);
    EXPECT_EQ(root(Syscall::object_destroy, kMachine).error, Error::invalid);
    EXPECT_EQ(root(Syscall::machine_exit, without(kMachine, abi::kRightManage), {0}).error, Error::no_right);
}

TEST_F(DeviceTest, UnknownCalls) {
    for (u32 number : {14u, 15u, 21u, 25u, 35u, 42u, 55u, 61u, 78u, 83u, 89u, 99u, 106u, 118u, 255u})
        EXPECT_EQ(root(static_cast<Syscall>(number)).error, Error::bad_syscall) << number;
}

}  // namespace
}  // namespace pith::test
