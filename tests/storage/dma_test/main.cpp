// SPDX-License-Identifier: MIT
// A driver whose device does what it may not: prints a line a test on the debug console and ends the machine. With an IOMMU the
// device is stopped and everybody else goes on; without one, nothing holds it.
#include <cstring>

#include "lib/driver/acpi.hpp"
#include "lib/driver/dmar.hpp"
#include "protocol/log.hpp"
#include "tests/guest.hpp"
#include "tests/storage/bystander.hpp"
#include "tests/storage/dma_test/edu.hpp"

namespace pith::test {

namespace {

Client<Devices> devices;
Client<Bystander> bystander;
Client<Log> log_client;
Edu edu;
u64 next_record = 0;

Bystander::Look::Reply look() {
    auto reply = bystander.call(Bystander::Look{});
    return reply.ok() ? *reply : Bystander::Look::Reply{0, ~u64{0}, 0, ~u64{0}};
}

/// The bystander's disk does requests, and nothing has happened to its page.
bool bystander_goes_on() {
    const Bystander::Look::Reply before = look();
    for (u32 tries = 0; tries < 500; tries++) {
        const Bystander::Look::Reply after = look();
        CHECK(after.spoilt == 0 && after.errors == 0);
        if (after.requests >= before.requests + 10) return true;
        sleep(10 * kMillisecond);
    }
    print("    its disk stands still\n");
    return false;
}

/// Lines in the log since the last time that speak of this component's device, and of that address if it isn't 0.
u32 lines_about(u64 address) {
    char where[24];
    const auto wanted = format_to(where, "at {x} ", address);
    u32 count = 0;
    for (;;) {
        auto record = log_client.call(Log::Read{next_record});
        if (!record.ok()) return count;
        next_record = record->sequence + 1;
        const std::string_view text(record->text, record->length);
        if (std::strcmp(record->name, "devices") != 0 || !text.starts_with("dma_test's device")) continue;
        if (address == 0 || text.find(wanted) != std::string_view::npos) count++;
    }
}

Devices::Domain::Reply domain_of(std::string_view name) {
    for (u64 index = 0;; index++) {
        auto component = process.call(Process::Describe{index});
        if (!component.ok()) return {};
        if (name != component->name) continue;
        auto reply = devices.call(Devices::Domain{index});
        return reply.ok() ? *reply : Devices::Domain::Reply{};
    }
}

bool device_is_stopped() {
    auto refused = edu.device().dma_memory(1, 2 * abi::kPageSize);
    return !refused.ok() && refused.error() == Error::bad_state;
}

/// Through the device's buffer from the first page to the second.
bool own_memory_works() {
    static u64 seed = 0;
    seed++;
    auto* words = edu.memory().mapping.as<volatile u64>();
    const u64 count = Edu::kBufferSize / sizeof(u64);
    for (u64 i = 0; i < count; i++) {
        words[i] = seed << 32 | i;
        words[kCanaryWords + i] = 0;
    }
    CHECK(edu.read(edu.memory().address, Edu::kBufferSize).ok());
    CHECK(edu.write(edu.memory().address + abi::kPageSize, Edu::kBufferSize).ok());
    for (u64 i = 0; i < count; i++) CHECK(words[kCanaryWords + i] == (seed << 32 | i));
    return true;
}

bool device_is_found() {
    CHECK(edu.begin(devices).ok());
    CHECK(bystander_goes_on());
    CHECK(look().address != 0 && look().address >> 28 == 0);
    return own_memory_works();
}

/// By its one message (MSI): also when it was opened again, and from a reborn server.
bool it_interrupts() {
    CHECK(edu.device().interrupts() == 1);
    CHECK(edu.device().interrupt(1).error() == Error::invalid);
    auto signal = own_pool().create_signal();
    CHECK(signal.ok());
    for (u32 round = 0; round < 3; round++) {
        auto interrupt = edu.device().interrupt(0);
        CHECK(interrupt.ok());
        CHECK(interrupt->bind(*signal, 1).ok() && interrupt->acknowledge().ok());
        CHECK(edu.read_and_tell(edu.memory().address, 64).ok());
        auto bits = signal->wait(1, now() + kSecond);
        CHECK(bits.ok() && *bits == 1);
        edu.acknowledge();
        CHECK(edu.read(edu.memory().address, 64).ok());
        CHECK(signal->poll(1) == 0);
        if (round == 0) CHECK(edu.open_again().ok());
        else CHECK(restart("devices"));
    }
    return true;
}

bool every_driver_has_a_domain() {
    const auto own = domain_of("dma_test"), disks = domain_of("virtio_blk");
    CHECK(own.reach == static_cast<u32>(DmaReach::domain) && own.domain != 0);
    CHECK(disks.reach == static_cast<u32>(DmaReach::domain) && disks.domain != 0);
    CHECK(own.domain != disks.domain);
    return domain_of("log").reach == static_cast<u32>(DmaReach::nothing);
}

bool foreign_memory_is_not_written() {
    lines_about(0);
    const u64 address = look().address;
    CHECK(edu.write(address, Edu::kBufferSize).ok());
    CHECK(device_is_stopped());
    CHECK(look().spoilt == 0);
    CHECK(lines_about(address) == 1);
    return bystander_goes_on();
}

bool it_works_when_opened_again() {
    CHECK(edu.open_again().ok());
    CHECK(!device_is_stopped());
    return own_memory_works();
}

bool foreign_memory_is_not_read() {
    sleep(kSecond);
    const u64 address = look().address;
    CHECK(edu.read(address, Edu::kBufferSize).ok());
    CHECK(device_is_stopped());
    CHECK(lines_about(address) == 1);
    CHECK(edu.open_again().ok());
    CHECK(edu.write(edu.memory().address, Edu::kBufferSize).ok());
    for (u64 i = 0; i < Edu::kBufferSize / sizeof(u64); i++)
        CHECK(edu.memory().mapping.as<volatile u64>()[i] != canary(i));
    CHECK(look().spoilt == 0);
    return own_memory_works();
}

/// Neither what lies behind its own memory, nor the kernel's, nor a device's registers.
bool other_memory_is_not_reached() {
    for (const u64 address : {edu.memory().address + 2 * abi::kPageSize, u64{0x10'0000}, u64{0x1000}}) {
        CHECK(edu.read(address, 64).ok());
        CHECK(device_is_stopped());
        CHECK(edu.open_again().ok());
    }
    // What begins in its own memory and goes on beyond.
    CHECK(edu.read(edu.memory().address + 2 * abi::kPageSize - 512, 1024).ok());
    CHECK(device_is_stopped());
    CHECK(edu.open_again().ok());
    return own_memory_works();
}

bool log_is_not_flooded() {
    sleep(kSecond + 100 * kMillisecond);
    lines_about(0);
    const abi::Time start = now();
    for (u32 i = 0; i < 8; i++) {
        CHECK(edu.write(look().address, 64).ok());
        CHECK(device_is_stopped() && edu.open_again().ok());
    }
    const u32 lines = lines_about(0);
    CHECK(lines >= 1 && lines <= 1 + (now() - start) / kSecond);
    return bystander_goes_on();
}

/// It finds its tables, and nobody notices.
bool reborn_server_leaves_devices_alone() {
    for (u32 i = 0; i < 3; i++) {
        CHECK(restart("devices"));
        CHECK(own_memory_works() && !device_is_stopped());
        CHECK(bystander_goes_on());
    }
    CHECK(edu.write(look().address, 64).ok());
    CHECK(device_is_stopped() && look().spoilt == 0);
    CHECK(edu.open_again().ok());
    return own_memory_works();
}

/// Also a fault that came while there was no server is seen to.
bool reborn_server_sees_faults() {
    for (u32 round = 0; round < 12; round++) {
        edu.begin_write(look().address, Edu::kBufferSize);
        sleep(round * 10 * kMillisecond);
        CHECK(restart("devices"));
        CHECK(edu.wait().ok());
        CHECK(device_is_stopped() && look().spoilt == 0);
        CHECK(edu.open_again().ok());
    }
    return bystander_goes_on() && own_memory_works();
}

Result<> spoil_root_pointer() {
    const FirmwareMemory table = PITH_TRY(
        find_acpi_table({machine, own_pool(), find_start_handle("machine")->value}, "DMAR"));
    const Dmar dmar = PITH_TRY(parse_dmar({table.bytes(), table.size()}));
    const Owned<Memory> memory = PITH_TRY(
        machine.device_memory(own_pool(), dmar.units[0].registers, abi::kPageSize, abi::kDeviceUncached));
    const Mapping registers = PITH_TRY(Mapping::create(memory, 0, abi::kPageSize));
    constexpr u64 kRootAddress = 0x20;
    *registers.as<volatile u64>(kRootAddress) = 0;
    return {};
}

/// The unit's root pointer is another than was left: then no device goes on, and all begin anew.
bool strange_tables_stop_all_devices() {
    CHECK(spoil_root_pointer().ok());
    CHECK(restart("devices"));
    CHECK(device_is_stopped());
    CHECK(edu.open_again().ok());
    CHECK(own_memory_works());
    CHECK(edu.write(look().address, 64).ok());
    CHECK(device_is_stopped());
    CHECK(edu.open_again().ok());
    return bystander_goes_on() && own_memory_works();
}

/// The test of the test: this is what an IOMMU is for.
bool nothing_holds_it() {
    const u64 address = look().address;
    CHECK(edu.read(address, Edu::kBufferSize).ok());
    CHECK(edu.write(edu.memory().address, Edu::kBufferSize).ok());
    for (u64 i = 0; i < Edu::kBufferSize / sizeof(u64); i++)
        CHECK(edu.memory().mapping.as<volatile u64>()[i] == canary(i));
    std::memset(edu.memory().mapping.as(), 0x55, Edu::kBufferSize);
    CHECK(edu.read(edu.memory().address, Edu::kBufferSize).ok());
    CHECK(edu.write(address, Edu::kBufferSize).ok());
    return look().spoilt == Edu::kBufferSize / sizeof(u64);
}

void run_confined() {
    run("it_interrupts", it_interrupts);
    run("every_driver_has_a_domain", every_driver_has_a_domain);
    run("foreign_memory_is_not_written", foreign_memory_is_not_written);
    run("it_works_when_opened_again", it_works_when_opened_again);
    run("foreign_memory_is_not_read", foreign_memory_is_not_read);
    run("other_memory_is_not_reached", other_memory_is_not_reached);
    run("log_is_not_flooded", log_is_not_flooded);
    run("reborn_server_leaves_devices_alone", reborn_server_leaves_devices_alone);
    run("reborn_server_sees_faults", reborn_server_sees_faults);
    run("strange_tables_stop_all_devices", strange_tables_stop_all_devices);
}

}  // namespace

}  // namespace pith::test

int main() {
    using namespace pith;
    using namespace pith::test;
    begin_tests();
    devices = Client<Devices>::from_start();
    bystander = Client<Bystander>::from_start();
    log_client = Client<Log>::from_start();
    run("device_is_found", device_is_found);
    if (failures == 0) {
        if (domain_of("dma_test").reach == static_cast<u32>(DmaReach::all))
            run("nothing_holds_it", nothing_holds_it);
        else run_confined();
    }
    return end_tests("dma");
}
