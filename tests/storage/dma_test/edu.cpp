// SPDX-License-Identifier: MIT
#include "tests/storage/dma_test/edu.hpp"

#include "lib/os/clock.hpp"
#include "lib/os/start_info.hpp"

namespace pith::test {

namespace {

struct Identity : Register<u32, 0x00> {};
struct Status : Register<u32, 0x24> {};
struct Acknowledge : Register<u32, 0x64> {};
struct Source : Register<u64, 0x80> {};
struct Destination : Register<u64, 0x88> {};
struct Count : Register<u64, 0x90> {};
struct Command : Register<u64, 0x98> {};

constexpr u32 kIdentity = 0x0100'00ed;
constexpr u64 kRegisters = 0xa0;
constexpr abi::Time kPatience = 5 * kSecond;  // it takes a tenth of one

template <typename R>
void put(const MmioBlock& block, u64 value) {
    R r;
    r.value = value;
    block.write(r);
}

}  // namespace

Result<> Edu::begin(const Client<Devices>& client) {
    device_ = PITH_TRY(PciDevice::find(client, 0));
    PITH_CHECK(device_.open());
    region_ = PITH_TRY(device_.map(0, 0, kRegisters));
    if (region_.registers().read<Identity>().value != kIdentity) return Error::unsupported;
    memory_ = PITH_TRY(device_.dma_memory(1, 2 * abi::kPageSize));
    return {};
}

void Edu::acknowledge() const {
    Acknowledge all;
    all.value = region_.registers().read<Status>().value;
    region_.registers().write(all);
}

void Edu::begin_run(u64 source, u64 destination, u64 size, u64 command) const {
    const MmioBlock block = region_.registers();
    put<Source>(block, source);
    put<Destination>(block, destination);
    put<Count>(block, size);
    put<Command>(block, command);
}

Result<> Edu::wait() const {
    const MmioBlock block = region_.registers();
    const abi::Time deadline = now() + kPatience;
    while ((block.read<Command>().value & kRun) != 0) {
        if (now() > deadline) return Error::timed_out;
        sleep(5 * kMillisecond);
    }
    return {};
}

void sleep(abi::Time time) {
    static Handle<Signal> never = std::move(*own_pool().create_signal());
    static_cast<void>(never.wait(1, now() + time));
}

}  // namespace pith::test
