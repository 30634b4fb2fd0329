// SPDX-License-Identifier: MIT
// The local APIC (see the header).
#include "kernel/platform/apic/local_apic.hpp"

#include "kernel/platform/physical.hpp"

namespace pith::platform {
namespace {

constexpr u32 kSoftwareEnable = 1u << 8;
constexpr u32 kMasked = 1u << 16;
constexpr u32 kDivideBy1 = 0xb;
constexpr u32 kDeliveryPending = 1u << 12;
constexpr u32 kModeNmi = 4u << 8;
constexpr u32 kModeInit = 5u << 8;
constexpr u32 kModeStartup = 6u << 8;
constexpr u32 kAssert = 1u << 14;
constexpr u32 kToOthers = 3u << 18;

}  // namespace

constinit u64 LocalApic::registers_ = 0;

void LocalApic::map(u64 physical) {
    registers_ = reinterpret_cast<u64>(map_device(physical, abi::kPageSize));
}

void LocalApic::enable(u8 timer_vector, u8 spurious_vector, u8 error_vector) {
    write(kTaskPriority, 0);
    write(kLine0, kMasked);
    write(kLine1, kModeNmi);
    write(kError, error_vector);
    write(kSpurious, kSoftwareEnable | spurious_vector);
    write(kTimerDivide, kDivideBy1);
    write(kTimer, timer_vector);  // one-shot
    write(kErrorStatus, 0);
    end_of_interrupt();
}

u8 LocalApic::id() { return static_cast<u8>(read(kId) >> 24); }

void LocalApic::command(u32 high, u32 low) {
    while (read(kCommandLow) & kDeliveryPending) {}
    write(kCommandHigh, high);
    write(kCommandLow, low);
}

void LocalApic::send(u8 apic_id, u8 vector) { command(u32{apic_id} << 24, kAssert | vector); }
void LocalApic::send_nmi_to_others() { command(0, kToOthers | kAssert | kModeNmi); }
void LocalApic::send_init(u8 apic_id) { command(u32{apic_id} << 24, kAssert | kModeInit); }
void LocalApic::send_startup(u8 apic_id, u8 page) {
    command(u32{apic_id} << 24, kAssert | kModeStartup | page);
}

}  // namespace pith::platform
