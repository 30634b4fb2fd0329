// SPDX-License-Identifier: MIT
#include "servers/devices/iommu/unit.hpp"

#include "lib/base/round.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/start_info.hpp"

namespace pith::devices {

using namespace vtd;

namespace {

constexpr abi::Time kPatience = 50 * kMillisecond;
constexpr u32 kNewestMajor = 6;  // VT-d's; later ones may differ

}  // namespace

Result<> RemappingUnit::open(const Handle<Machine>& machine, const DmarUnit& unit) {
    const auto map = [&](u64 size) -> Result<> {
        mapping_.reset();
        memory_ = PITH_TRY(machine.device_memory(own_pool(), unit.registers, size, abi::kDeviceUncached));
        mapping_ = PITH_TRY(Mapping::create(memory_, 0, size));
        return {};
    };
    PITH_CHECK(map(abi::kPageSize));
    capability_ = read<Capability>();
    extended_ = read<ExtendedCapability>();
    faults_ = get_field<Capability::FaultOffset>(capability_) * 16;
    fault_count_ = static_cast<u32>(get_field<Capability::FaultCount>(capability_)) + 1;
    const u64 end = round_up(faults_ + fault_count_ * kFaultRecordSize, abi::kPageSize);
    // The table's word on the size is often one page: the registers' own counts.
    if (end > abi::kPageSize) PITH_CHECK(map(end));
    return {};
}

bool RemappingUnit::suits(u32 domains) const {
    const u64 count = u64{1} << (4 + 2 * get_field<Capability::Domains>(capability_));
    return get_field<Version::Major>(read<Version>()) <= kNewestMajor && domains < count &&
           get_field<ExtendedCapability::Queue>(extended_) != 0 && (takes(3) || takes(4));
}

bool RemappingUnit::takes(u32 levels) const {
    return (levels == 3 ? get_field<Capability::ThreeLevels>(capability_)
                        : get_field<Capability::FourLevels>(capability_)) != 0;
}

void RemappingUnit::use(const TablePages& pages, const Memory& memory) {
    pages_ = &pages;
    place_ = memory;
}

bool RemappingUnit::running() const {
    constexpr u32 kOn = GlobalStatus::kTranslation | GlobalStatus::kQueue;
    return (read<GlobalStatus>().value & kOn) == kOn && read<RootAddress>().value == place_.root &&
           read<QueueAddress>().value == place_.queue &&
           get_field<FaultStatus::QueueError>(read<FaultStatus>()) == 0;
}

Result<> RemappingUnit::command(u32 bit, bool on, u32 wanted) const {
    const u32 lasting = read<GlobalStatus>().value & GlobalStatus::kLasting;
    write<GlobalCommand>(on ? lasting | bit : lasting & ~bit);
    const abi::Time deadline = now() + kPatience;
    while ((read<GlobalStatus>().value & bit) != wanted)
        if (now() > deadline) return Error::timed_out;
    return {};
}

/// Translation is never turned off, so that no device is ever without it.
Result<> RemappingUnit::start() {
    write<FaultControl>(FaultControl::kMask);
    write<FaultStatus>(FaultStatus::kClear);
    if ((read<GlobalStatus>().value & GlobalStatus::kQueue) != 0)
        PITH_CHECK(command(GlobalStatus::kQueue, false, 0));
    write<QueueTail>(0);
    write<QueueAddress>(place_.queue);  // of 256 descriptors
    PITH_CHECK(command(GlobalStatus::kQueue, true, GlobalStatus::kQueue));
    write<RootAddress>(place_.root);
    PITH_CHECK(command(GlobalStatus::kRoot, true, GlobalStatus::kRoot));
    PITH_CHECK(invalidate({forget_all_contexts(), forget_all_translations()}));
    return command(GlobalStatus::kTranslation, true, GlobalStatus::kTranslation);
}

u64* RemappingUnit::status_word() const {
    const u64 page = round_down(place_.status, abi::kPageSize);
    return pages_->words(page) + (place_.status - page) / sizeof(u64);
}

/// What was written to tables has left the chip set's buffers (6.8).
Result<> RemappingUnit::flush_writes() const {
    if (get_field<Capability::NeedsWriteFlush>(capability_) == 0) return {};
    return command(GlobalStatus::kWriteFlush, true, 0);
}

Result<> RemappingUnit::announce(std::initializer_list<Descriptor> descriptors) {
    if (get_field<Capability::CachingMode>(capability_) == 0) return flush_writes();
    return invalidate(descriptors);
}

Result<> RemappingUnit::invalidate(std::initializer_list<Descriptor> descriptors) {
    PITH_CHECK(flush_writes());
    auto* queue = reinterpret_cast<Descriptor*>(pages_->words(place_.queue));
    u64* status = status_word();
    u32 tail = static_cast<u32>(read<QueueTail>().value / sizeof(Descriptor)) % kQueueEntries;
    const auto add = [&](const Descriptor& descriptor) {
        queue[tail] = descriptor;
        pages_->write_back(&queue[tail], sizeof(Descriptor));
        tail = (tail + 1) % kQueueEntries;
    };
    // Each waits for another number, so that one which came too late for a predecessor's is not taken for ours.
    const u32 number = static_cast<u32>(std::atomic_ref(*status).load(std::memory_order_relaxed)) + 1;
    for (const Descriptor& descriptor : descriptors) add(descriptor);
    add(write_status(place_.status, number));
    write<QueueTail>(u64{tail} * sizeof(Descriptor));
    return wait_for_status(number);
}

Result<> RemappingUnit::wait_for_status(u32 value) const {
    u64* status = status_word();
    const abi::Time deadline = now() + kPatience;
    while (static_cast<u32>(std::atomic_ref(*status).load(std::memory_order_acquire)) != value) {
        if (get_field<FaultStatus::QueueError>(read<FaultStatus>()) != 0) return Error::io;
        if (now() > deadline) return Error::timed_out;
    }
    return {};
}

void RemappingUnit::set_interrupt(u64 address, u64 data) const {
    write<FaultControl>(FaultControl::kMask);
    write<FaultData>(static_cast<u32>(data));
    write<FaultAddress>(static_cast<u32>(address));
    write<FaultAddressHigh>(static_cast<u32>(address >> 32));
    write<FaultControl>(0);
    static_cast<void>(read<FaultControl>());  // it has arrived
}

bool RemappingUnit::take_fault(DmaFault& fault) const {
    for (u32 i = 0; i < fault_count_; i++) {
        const MmioBlock block = registers(faults_ + i * kFaultRecordSize);
        const auto record = block.read<FaultRecord>();
        if (get_field<FaultRecord::There>(record) == 0) continue;
        fault = {static_cast<u16>(get_field<FaultRecord::Source>(record)),
                 static_cast<u8>(get_field<FaultRecord::Reason>(record)),
                 get_field<FaultRecord::Read>(record) != 0,
                 round_down(block.read<FaultPage>().value, abi::kPageSize)};
        FaultRecordHigh taken;
        taken.value = FaultRecordHigh::kThere;
        block.write(taken);
        return true;
    }
    return false;
}

bool RemappingUnit::clear_fault_status() const {
    write<FaultStatus>(FaultStatus::kClear);
    const auto status = read<FaultStatus>();
    return get_field<FaultStatus::Pending>(status) != 0 || get_field<FaultStatus::Overflow>(status) != 0;
}

}  // namespace pith::devices
