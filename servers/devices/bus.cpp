// SPDX-License-Identifier: MIT
#include "servers/devices/bus.hpp"

#include <atomic>
#include <cstring>

#include "lib/os/start_info.hpp"

namespace pith::devices {

namespace {

constexpr u64 kBusSize = u64{1} << 20;
constexpr u32 kFunctionSize = 4096;
constexpr u32 kBridgeClass = 0x06;
constexpr u8 kMultiFunction = 0x80;

}  // namespace

Result<> Bus::begin(State& state) {
    state_ = &state;
    PITH_CHECK(read_segments());
    if (plausible(state)) confirm();
    else look();
    return {};
}

Result<> Bus::read_segments() {
    const FirmwareMemory table = PITH_TRY(find_acpi_table({machine_, own_pool(), rsdp_}, "MCFG"));
    segment_count_ = 0;
    for (u64 at = 44; at + 16 <= table.size() && segment_count_ < kMaxSegments; at += 16) {
        const Segment segment{table.read<u64>(at), table.read<u16>(at + 8), table.read<u8>(at + 10),
                              table.read<u8>(at + 11)};
        if (segment.base % kBusSize != 0 || segment.first_bus > segment.last_bus) return Error::protocol;
        segments_[segment_count_++] = segment;
    }
    if (segment_count_ == 0) return Error::not_found;
    return {};
}

Result<ConfigSpace> Bus::config(u32 place) {
    const u32 number = place >> 8;
    const u64 offset = u64{place & 0xff} * kFunctionSize;
    for (u32 i = 0; i < bus_count_; i++)
        if (buses_[i].number == number) return ConfigSpace(buses_[i].mapping.address() + offset);
    if (bus_count_ == kMaxBuses) return Error::no_space;
    for (u32 i = 0; i < segment_count_; i++) {
        const Segment& s = segments_[i];
        const u32 bus = number & 0xff;
        if (s.number != number >> 8 || bus < s.first_bus || bus > s.last_bus) continue;
        const auto memory = PITH_TRY(
            machine_.device_memory(own_pool(), s.base + bus * kBusSize, kBusSize, abi::kDeviceUncached));
        buses_[bus_count_] = {number, PITH_TRY(Mapping::create(memory, 0, kBusSize))};
        return ConfigSpace(buses_[bus_count_++].mapping.address() + offset);
    }
    return Error::not_found;
}

DmarBuses Bus::behind(u32 bridge) {
    auto space = config(bridge);
    if (!space.ok() || space->read16(kVendor) == 0xffff || (space->read8(kHeaderType) & 0x7f) != 1)
        return {1, 0};
    const u32 first = space->read8(kSecondaryBus);
    // A bridge leads to a bus of a higher number.
    return first > (bridge >> 8 & 0xff) ? DmarBuses{first, space->read8(kSubordinateBus)} : DmarBuses{1, 0};
}

void Bus::set_command(const Function& function, u16 set, u16 clear) {
    if (auto space = config(function); space.ok())
        space->write16(kCommand, static_cast<u16>((space->read16(kCommand) & ~clear) | set));
}

Function* Bus::find(u64 place) {
    for (Function& function : functions())
        if (function.place == place) return &function;
    return nullptr;
}

/// All of them anew. What a predecessor had made, if there was one, is lost; no device may go on with it.
void Bus::look() {
    std::memset(static_cast<void*>(state_), 0, sizeof(*state_));
    for (u32 i = 0; i < segment_count_; i++) {
        u32 seen[8] = {};  // buses to look at, a bit each; a bridge leads to a bus of a higher number
        const Segment& segment = segments_[i];
        seen[segment.first_bus / 32] |= u32{1} << segment.first_bus % 32;
        for (u32 bus = segment.first_bus; bus <= segment.last_bus; bus++)
            if ((seen[bus / 32] >> bus % 32 & 1) != 0) look_at_bus(segment, bus, seen);
    }
    std::atomic_ref(state_->magic).store(kStateMagic, std::memory_order_release);
}

void Bus::look_at_bus(const Segment& segment, u32 bus, u32 (&seen)[8]) {
    const u32 first = segment.number << 16 | bus << 8;
    for (u32 device = 0; device < 256; device += 8) {
        for (u32 function = 0; function < 8; function++) {
            auto space = config(first | device | function);
            if (!space.ok()) return;
            const bool there = space->read16(kVendor) != 0xffff;
            if (there) add(first | device | function, *space);
            const u8 type = there ? space->read8(kHeaderType) : 0;
            if ((type & 0x7f) == 1) {
                const u32 behind = space->read8(kSecondaryBus);
                if (behind > bus) seen[behind / 32] |= u32{1} << behind % 32;
            }
            if (function == 0 && (type & kMultiFunction) == 0) break;
        }
    }
}

void Bus::add(u32 place, const ConfigSpace& config) {
    if (state_->function_count == kMaxFunctions ||
        (state_->function_count != 0 && place <= state_->functions[state_->function_count - 1].place))
        return;
    Function& f = state_->functions[state_->function_count++];
    f = Function{};
    f.place = place;
    f.vendor = config.read16(kVendor);
    f.id = config.read16(kId);
    f.class_code = config.read32(kClass) >> 8;
    if ((config.read8(kHeaderType) & 0x7f) != 0 || f.class_code >> 16 == kBridgeClass) return;
    f.subsystem_vendor = config.read16(kSubsystemVendor);
    f.subsystem_id = config.read16(kSubsystemId);
    f.express = static_cast<u16>(find_capability(config, kCapabilityExpress));
    f.msix = static_cast<u16>(find_capability(config, kCapabilityMsix));
    const u16 command = config.read16(kCommand);
    config.write16(kCommand, static_cast<u16>(command & ~kCommandMemory));
    measure_bars(config, f.bars);
    const bool again = start_info().generation != 0;
    config.write16(kCommand, again ? static_cast<u16>(command & ~kCommandMaster) : command);
    if (f.msix == 0) {
        f.msi = static_cast<u16>(find_capability(config, kCapabilityMsi));
        return;
    }
    f.messages = static_cast<u16>((config.read16(f.msix + kMsixControl) & kMsixSize) + 1);
    const u32 table = config.read32(f.msix + kMsixTable), pending = config.read32(f.msix + kMsixPending);
    f.table_bar = table & 7;
    f.table_offset = table & ~u32{7};
    f.pending_bar = pending & 7;
    f.pending_offset = pending & ~u32{7};
    const u64 table_end = u64{f.table_offset} + f.messages * kMsixEntrySize;
    if (f.table_bar >= kBarCount || f.pending_bar >= kBarCount || table_end > f.bars[f.table_bar].size) {
        f.msix = f.messages = 0;
        f.table_bar = f.pending_bar = 0;
    }
}

/// A predecessor's devices are left alone. One that isn't as it was left has to be opened again.
void Bus::confirm() {
    for (Function& f : functions()) {
        auto space = config(f.place);
        bool same = space.ok() && space->read16(kVendor) == f.vendor && space->read16(kId) == f.id;
        for (u32 i = 0; same && f.opened != 0 && i < kBarCount; i++) {
            const Bar& bar = f.bars[i];
            if (bar.size == 0) continue;
            same = (space->read32(kBar0 + 4 * i) & ~u32{15}) == static_cast<u32>(bar.address) &&
                   (bar.wide == 0 || space->read32(kBar0 + 4 * i + 4) == bar.address >> 32);
        }
        if (!same) f.opened = 0;
    }
}

void Bus::take(u64 address, u64 size) {
    for (u32 i = 0; i < taken_count_; i++)
        if (taken_[i].address == address) return;
    if (taken_count_ < kMaxTaken) taken_[taken_count_++] = {address, size};
}

/// What no BAR of this function may be placed in.
void Bus::take_others(AddressMap& map, const Function& function) {
    for (u32 i = 0; i < segment_count_; i++) {
        const Segment& s = segments_[i];
        map.take(s.base + s.first_bus * kBusSize, (s.last_bus - s.first_bus + 1) * kBusSize);
    }
    for (u32 i = 0; i < taken_count_; i++) map.take(taken_[i].address, taken_[i].size);
    for (const Function& f : functions()) {
        if (&f == &function) continue;
        for (const Bar& bar : f.bars)
            if (bar.address != 0) map.take(bar.address, bar.size);
        auto space = config(f.place);
        if (!space.ok() || (space->read8(kHeaderType) & 0x7f) != 1) continue;
        // A bridge's windows (PCI-to-PCI Bridge 1.2, 3.2.5): memory, and memory that may be prefetched.
        for (const u32 window : {0x20u, 0x24u}) {
            u64 begin = u64{space->read16(window) & 0xfff0u} << 16;
            u64 last = u64{space->read16(window + 2) & 0xfff0u} << 16 | 0xf'ffff;
            if (window == 0x24) {
                begin |= u64{space->read32(0x28)} << 32;
                last |= u64{space->read32(0x2c)} << 32;
            }
            if (begin != 0 && begin < last) map.take(begin, last - begin + 1);
        }
    }
}

/// The kernel knows where RAM is, and what it uses itself.
bool Bus::refused(u64 address, u64 size) const {
    auto memory = machine_.device_memory(own_pool(), address, size, abi::kDeviceUncached);
    if (memory.ok()) static_cast<void>(memory->destroy());
    return !memory.ok();
}

Result<u64> Bus::place_for(AddressMap& map, const Bar& bar) const {
    for (;;) {
        const u64 address = PITH_TRY(map.find(bar.size, bar.wide != 0));
        if (!refused(address, bar.size)) return address;
        if (!map.take(address, bar.size)) return Error::no_space;
    }
}

Result<> Bus::place_bars(Function& f) {
    const ConfigSpace space = PITH_TRY(config(f.place));
    space.write16(kCommand, static_cast<u16>(space.read16(kCommand) & ~kCommandMemory));
    AddressMap map;
    take_others(map, f);
    u32 placed = 0;  // a bit each
    for (u32 i = 0; i < kBarCount; i++) {
        const Bar& bar = f.bars[i];
        if (bar.address == 0 || bar.address % abi::kPageSize != 0 || !map.free(bar.address, bar.size))
            continue;
        if (!map.take(bar.address, bar.size)) return Error::no_space;
        placed |= u32{1} << i;
    }
    for (u32 i = 0; i < kBarCount; i++) {
        Bar& bar = f.bars[i];
        if (bar.size == 0) continue;
        if ((placed >> i & 1) == 0) {
            if ((f.place >> 8 & 0xff) != 0)
                return Error::no_space;  // behind a bridge, whose windows are firmware's
            bar.address = PITH_TRY(place_for(map, bar));
            if (!map.take(bar.address, bar.size)) return Error::no_space;
        }
        write_bar(space, i, bar);
    }
    return {};
}

}  // namespace pith::devices
