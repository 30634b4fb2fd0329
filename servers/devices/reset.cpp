// SPDX-License-Identifier: MIT
// Bringing a device to rest, and its interrupts.
#include "servers/devices/service.hpp"

namespace pith::devices {

namespace {

constexpr u16 kVirtio = 0x1af4;
constexpr u32 kNvme = 0x01'08'02;  // class
constexpr u64 kNvmeConfiguration = 0x14, kNvmeStatus = 0x1c;
constexpr u32 kNvmeReady = 1;
constexpr abi::Time kNvmeTime = kSecond;
constexpr abi::Time kResetTime = 100 * kMillisecond;  // PCI Express Base 5.0, 6.6.2
constexpr abi::Time kPendingTime = 100 * kMillisecond;
constexpr abi::Time kPendingStep = kMillisecond;

}  // namespace

/// An NVMe controller that is disabled forgets its queues and all that is in them (NVM Express 1.4, 7.3.2), and ends its
/// accesses. First it is given the time to take up what it was told last: QEMU's dies of finding that while it is being disabled.
Task<Result<>> Service::disable_nvme(const Function& f) {
    const Bar& bar = f.bars[0];
    if (bar.address == 0 || bar.size < abi::kPageSize) co_return Error::io;
    auto registers = machine_.device_memory(own_pool(), bar.address, abi::kPageSize, abi::kDeviceUncached);
    if (!registers.ok()) co_return registers.error();
    const Owned<Memory> memory(std::move(*registers));
    auto mapping = Mapping::create(memory, 0, abi::kPageSize);
    if (!mapping.ok()) co_return mapping.error();
    co_await sleep_until(now() + kPendingStep);
    *mapping->as<volatile u32>(kNvmeConfiguration) = 0;
    const abi::Time deadline = now() + kNvmeTime;
    while ((*mapping->as<const volatile u32>(kNvmeStatus) & kNvmeReady) != 0) {
        if (now() > deadline) co_return Error::timed_out;
        co_await sleep_until(now() + kPendingStep);
    }
    co_return Result<>();
}

/// It masters the bus no more, sends no messages, and has none of its accesses under way. One that was in use is reset by its
/// own means. A virtio device has a reset among its registers that its driver begins with anyway, and that takes no tenth of
/// a second; an NVMe controller too.
Task<Result<>> Service::reset(Function& f) {
    auto found = bus_.config(f);
    if (!found.ok()) co_return found.error();
    const ConfigSpace config = *found;
    if (config.read16(kVendor) != f.vendor) co_return Error::io;
    bool idle = f.opened == 0 || f.vendor == kVirtio;
    if (!idle && f.class_code == kNvme) idle = (co_await disable_nvme(f)).ok();
    config.write16(kCommand, static_cast<u16>(config.read16(kCommand) & ~kCommandMaster));
    if (f.msix != 0)
        config.write16(f.msix + kMsixControl,
                       static_cast<u16>(config.read16(f.msix + kMsixControl) & ~kMsixEnable));
    if (f.msi != 0)
        config.write16(f.msi + kMsiControl,
                       static_cast<u16>(config.read16(f.msi + kMsiControl) & ~kMsiEnable));
    if (f.express == 0) co_return Result<>();
    const abi::Time deadline = now() + kPendingTime;
    while ((config.read16(f.express + kExpressDeviceStatus) & kTransactionsPending) != 0) {
        if (now() > deadline) co_return Error::timed_out;
        co_await sleep_until(now() + kPendingStep);
    }
    const bool can = (config.read32(f.express + kExpressDeviceCapabilities) & kFunctionReset) != 0;
    if (idle || !can) co_return Result<>();
    const u16 control = config.read16(f.express + kExpressDeviceControl);
    f.opened = 0;
    config.write16(f.express + kExpressDeviceControl, static_cast<u16>(control | kInitiateReset));
    co_await sleep_until(now() + kResetTime);
    co_return config.read16(kVendor) == f.vendor ? Result<>() : Result<>(Error::io);
}

/// Writes the message of a device that has one, and no table.
void Service::program_only(const Function& f, const ConfigSpace& config, const Kept& message) {
    const u16 control = static_cast<u16>(config.read16(f.msi + kMsiControl) & ~(kMsiEnable | kMsiMessages));
    config.write16(f.msi + kMsiControl, control);
    u32 at = f.msi + kMsiAddress;
    config.write32(at, static_cast<u32>(message.address));
    if ((control & kMsiWide) != 0) config.write32(at += 4, static_cast<u32>(message.address >> 32));
    config.write16(at += 4, static_cast<u16>(message.data));
    if ((control & kMsiMasks) != 0) config.write32(at + 4, 0);
    config.write16(f.msi + kMsiControl, static_cast<u16>(control | kMsiEnable));
}

/// Writes the entry of the device's table.
Result<> Service::program(const Function& f, u32 number, const Kept& message) {
    const ConfigSpace config = PITH_TRY(bus_.config(f));
    if (f.msix == 0) {
        program_only(f, config, message);
        return {};
    }
    const u64 at = f.bars[f.table_bar].address + f.table_offset + number * kMsixEntrySize;
    const u64 first = round_down(at, abi::kPageSize);
    const u64 length = round_up(at + kMsixEntrySize, abi::kPageSize) - first;
    const Owned<Memory> memory = PITH_TRY(
        machine_.device_memory(own_pool(), first, length, abi::kDeviceUncached));
    const Mapping mapping = PITH_TRY(Mapping::create(memory, 0, length));
    auto* entry = mapping.as<volatile u32>(at - first);
    entry[3] = 1;  // masked
    entry[0] = static_cast<u32>(message.address);
    entry[1] = static_cast<u32>(message.address >> 32);
    entry[2] = static_cast<u32>(message.data);
    entry[3] = 0;
    const u16 control = config.read16(f.msix + kMsixControl);
    config.write16(f.msix + kMsixControl, static_cast<u16>((control & ~kMsixMaskAll) | kMsixEnable));
    return {};
}

Result<Handle<Interrupt>> Service::message(u32 owner, const Function& f, u32 number) {
    Kept* kept = store_.find(KeptKind::message, owner, f.place, number);
    Handle<Interrupt> interrupt;
    if (kept != nullptr) {
        auto taken = store_.take<Interrupt>(*kept);
        if (taken.ok()) interrupt = std::move(*taken);
        else store_.forget(*kept);
    }
    if (!interrupt.valid()) {
        auto made = PITH_TRY(machine_.create_message_interrupt(keep_));
        Owned<Interrupt> fresh(std::move(made.interrupt));
        PITH_CHECK(
            store_.keep(fresh, {KeptKind::message, owner, f.place, 0, number, 0, made.address, made.data}));
        interrupt = fresh.keep();
        kept = store_.find(KeptKind::message, owner, f.place, number);
    }
    PITH_CHECK(program(f, number, *kept));
    return interrupt;
}

void Service::handle(const Devices::Interrupt& request, Request<Devices::Interrupt> call) {
    auto function = opened(call.badge(), request.device);
    if (!function.ok()) return call.fail(function.error());
    const Function& f = **function;
    if (request.number >= f.interrupts() || request.number >= Devices::kMaxInterrupts)
        return call.fail(Error::invalid);
    auto interrupt = message(call.badge().client(), f, static_cast<u32>(request.number));
    if (!interrupt.ok()) return call.fail(interrupt.error());
    trace_.add({Record::message, f.place, request.number});
    call.reply({}, HandleList().add(*interrupt,
                                    rights(abi::InterruptRight::bind, abi::InterruptRight::acknowledge)));
}

}  // namespace pith::devices
