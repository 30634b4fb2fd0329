// SPDX-License-Identifier: MIT
// The machine's IOMMU (Intel VT-d 3.0): the units of one PCI segment, which share their tables. A domain for each driver, from 1
// on; a device that nobody has opened has no context entry, and can reach nothing. Interrupt messages are not remapped.
//
// All entries that hardware reads are written whole, and what it may have remembered of an old one is invalidated before
// anything relies on that. The tables outlive the server: `resume` believes a predecessor's as far as they make sense.
#pragma once

#include "lib/driver/acpi.hpp"
#include "servers/devices/iommu/domain.hpp"
#include "servers/devices/iommu/unit.hpp"
#include "servers/devices/state.hpp"

namespace pith::devices {

class Iommu {
  public:
    /// Finds the units, and turns nothing on. Errors: not_found: the machine has none for its devices; unsupported:
    /// one that we can't drive; protocol: the firmware's table makes no sense.
    Result<> find(const FirmwareAccess& access);
    std::span<const DmarUnit> units() const { return dmar_.all(); }
    /// Memory for tables comes from here; who calls what takes some makes room first.
    TablePages& pages() { return pages_; }
    /// Where what is below is written down. Before it.
    void use(IommuState& state) { state_ = &state; }

    /// Takes a predecessor's tables over. False: they make no sense, or the units don't use them: then `start`.
    /// `attached(place, domain)` and `allowed(domain, address)`: whether that may be.
    template <typename Attached, typename Allowed>
    bool resume(const Attached& attached, const Allowed& allowed);
    /// Makes new tables, in which there is no domain and no device, and has the units use them. Devices are at rest. Takes three
    /// pages, and one a unit.
    Result<> start();

    /// Turned on: devices that have a unit reach what their domains have, and nothing else.
    bool on() const { return on_; }
    /// `behind(place)`: the buses behind a bridge.
    template <typename Behind>
    bool confines(u32 place, const Behind& behind) const {
        const u32 segment = u32{segment_} << 16;
        return on_ && place >> 16 == segment_ &&
               dmar_.covers(segment_, place & 0xffff, [&](u32 bridge) { return behind(segment | bridge); });
    }
    u32 place_of(const DmaFault& fault) const { return u32{segment_} << 16 | fault.source; }
    bool has_domain(u32 domain) const { return state_->tops[domain - 1] != 0; }
    /// Takes a page.
    Result<> make_domain(u32 domain);
    /// As DomainTable's. Takes up to `tables_for(size)` pages.
    Result<> reserve(u32 domain, u64 address, u64 size) { return table(domain).reserve(address, size); }
    static u32 tables_for(u64 size) { return static_cast<u32>(size >> 21) + 6; }
    Result<> map(u32 domain, u64 address, u64 size);
    /// From now on the device reaches what the domain has, and nothing else. May take a page.
    Result<> attach(u32 place, u32 domain);
    /// From now on it reaches nothing. `quiet`: and nothing is told of its trying.
    Result<> detach(u32 place, bool quiet);
    /// 0: it is in none.
    u32 domain_of(u32 place) const;

    void set_interrupt(u64 address, u64 data) const;
    /// Calls `handler` for each fault, which has to see to it that it isn't repeated.
    template <typename Handler>
    void take_faults(const Handler& handler) const;

  private:
    static constexpr u32 kMostFaults = 1024;
    DomainTable table(u32 domain) { return {pages_, state_->tops[domain - 1], levels_}; }
    u64 unit_status(u32 unit) const { return state_->status + unit * sizeof(u64); }
    void use_memory();
    bool mark_own();
    u64* context(u32 place) const;
    Result<u64*> make_context(u32 place);
    template <typename Attached>
    bool check_contexts(u64 bus, u64 table, const Attached& attached);
    Result<> invalidate(std::initializer_list<vtd::Descriptor> descriptors);
    Result<> announce(std::initializer_list<vtd::Descriptor> descriptors);

    u16 segment_ = 0;
    u32 levels_ = 0;
    u32 unit_count_ = 0;
    FirmwareMemory firmware_;  // what dmar_ points to
    Dmar dmar_{};
    RemappingUnit units_[Dmar::kMaxUnits];
    TablePages pages_;
    IommuState* state_ = nullptr;
    bool on_ = false;
};

template <typename Attached>
bool Iommu::check_contexts(u64 bus, u64 table, const Attached& attached) {
    for (u64 i = 0; i < 256; i++) {
        const u64* entry = pages_.words(table) + 2 * i;
        if ((entry[0] & vtd::kPresent) == 0) {
            if ((entry[0] & ~vtd::kNoFaultRecords) != 0 || entry[1] != 0) return false;
            continue;
        }
        const u32 domain = vtd::context_domain(entry[1]);
        if (domain == 0 || domain > kMaxDomains || !has_domain(domain) ||
            entry[0] != (state_->tops[domain - 1] | vtd::kPresent) ||
            entry[1] != vtd::context_high(levels_, domain) ||
            !attached(u32{segment_} << 16 | static_cast<u32>(bus << 8 | i), domain))
            return false;
    }
    return true;
}

template <typename Attached, typename Allowed>
bool Iommu::resume(const Attached& attached, const Allowed& allowed) {
    pages_.unmark_all();
    if (state_->root == 0 || !mark_own()) return false;
    use_memory();
    for (u32 i = 0; i < unit_count_; i++)
        if (!units_[i].running()) return false;
    for (u32 domain = 1; domain <= kMaxDomains; domain++)
        if (has_domain(domain) && !table(domain).check([&](u64 address) { return allowed(domain, address); }))
            return false;
    for (u64 bus = 0; bus < 256; bus++) {
        const u64* entry = pages_.words(state_->root) + 2 * bus;
        const u64 contexts = entry[0] & kEntryAddress;
        if (entry[0] == 0 && entry[1] == 0) continue;
        if (entry[0] != (contexts | vtd::kPresent) || entry[1] != 0 || !pages_.mark(contexts) ||
            !check_contexts(bus, contexts, attached))
            return false;
    }
    on_ = true;
    return true;
}

template <typename Handler>
void Iommu::take_faults(const Handler& handler) const {
    u32 most = kMostFaults;
    for (u32 i = 0; i < unit_count_; i++) {
        DmaFault fault{};
        do {
            while (most != 0 && units_[i].take_fault(fault)) {
                handler(fault);
                most--;
            }
        } while (units_[i].clear_fault_status() && most != 0);
    }
}

}  // namespace pith::devices
