// SPDX-License-Identifier: MIT
// What only the holder of Machine may make: ports, interrupts, device memory. The device is the first serial port,
// in loopback so that nothing leaves it.
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

constexpr u16 kSerial = 0x3f8;
constexpr u32 kSerialLine = 4;

void out8(u16 port, u8 value) { asm volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
u8 in8(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

}  // namespace

TEST(device_ports) {
    CHECK_ERROR(invalid, machine().create_ports(t.pool, 0xfff0, 0x20));
    CHECK_ERROR(invalid, machine().create_ports(t.pool, 0, 0));
    auto ports = MUST(machine().create_ports(t.pool, kSerial, 8));
    MUST_OK(ports.bind(own_space()));
    out8(kSerial + 7, 0x5a);
    CHECK_EQUAL(in8(kSerial + 7), 0x5a);
    // Another Space, and other ports, stay closed.
    auto endpoint = MUST(t.pool.create_endpoint());
    start_worker(t, [](void*) { static_cast<void>(in8(kSerial + 8)); }, nullptr,
                 {.handler = endpoint.index()});
    Message message;
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    CHECK_EQUAL(message.words[0], 13);
    MUST_OK(ports.destroy());
    start_worker(t, [](void*) { static_cast<void>(in8(kSerial + 7)); }, nullptr,
                 {.handler = endpoint.index()});
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    CHECK_EQUAL(message.words[0], 13);
}

TEST(device_interrupt) {
    auto ports = MUST(machine().create_ports(t.pool, kSerial, 8));
    MUST_OK(ports.bind(own_space()));
    auto interrupt = MUST(machine().create_interrupt(t.pool, kSerialLine, 0));
    CHECK_ERROR(busy, machine().create_interrupt(t.pool, kSerialLine, 0));
    CHECK(!machine().create_interrupt(t.pool, 100'000, 0).ok());
    auto signal = MUST(t.pool.create_signal());
    MUST_OK(interrupt.bind(signal, 0x80));
    MUST_OK(interrupt.acknowledge());
    out8(kSerial + 4, 0x18 | 8);  // loopback, interrupts to the line
    for (int round = 0; round < 5; round++) {
        out8(kSerial + 1, 0);
        out8(kSerial + 1, 2);  // transmitter empty: at once
        CHECK_EQUAL(MUST(signal.wait(0x80, in_milliseconds(20000))), 0x80);
        static_cast<void>(in8(kSerial + 2));
        MUST_OK(interrupt.acknowledge());
    }
    out8(kSerial + 1, 0);
    out8(kSerial + 4, 0);
    MUST_OK(interrupt.destroy());
    auto again = MUST(machine().create_interrupt(t.pool, kSerialLine, 0));
}

TEST(device_interrupt_dies_with_its_signal) {
    auto interrupt = MUST(machine().create_interrupt(t.pool, kSerialLine, 0));
    auto signal = MUST(t.pool.create_signal());
    MUST_OK(interrupt.bind(signal, 1));
    MUST_OK(signal.destroy());
    auto other = MUST(t.pool.create_signal());
    MUST_OK(interrupt.bind(other, 1));
}

TEST(device_memory) {
    CHECK(!machine().device_memory(t.pool, 0x200000, 4096, 0).ok());    // RAM
    CHECK(!machine().device_memory(t.pool, 0xfee00000, 4096, 0).ok());  // the local interrupt controller
    CHECK(!machine().device_memory(t.pool, 0xfec00000, 4096, 0).ok());
    CHECK(!machine().device_memory(t.pool, ~u64{0} & ~u64{4095}, 8192, 0).ok());
    CHECK_ERROR(invalid, machine().device_memory(t.pool, 0xd0000001, 4096, 0));
    CHECK_ERROR(invalid, machine().device_memory(t.pool, 0xd0000000, 0, 0));
    auto video = MUST(machine().device_memory(t.pool, 0xfd000000, 0x1000, abi::kDeviceUncached));
    u64 address = map_somewhere(video, 0x1000);
    CHECK(address != 0);
    static_cast<void>(*reinterpret_cast<volatile u32*>(address));
}

TEST(device_rights) {
    auto less = MUST(machine().copy(rights(abi::MachineRight::info, abi::MachineRight::debug)));
    MUST(less.kernel_counts());
    CHECK_ERROR(no_right, less.create_ports(t.pool, kSerial, 8));
    CHECK_ERROR(no_right, less.create_interrupt(t.pool, kSerialLine, 0));
    CHECK_ERROR(no_right, less.device_memory(t.pool, 0xfd000000, 4096, 0));
    CHECK_ERROR(no_right, less.exit(3));
}

}  // namespace pith::test
