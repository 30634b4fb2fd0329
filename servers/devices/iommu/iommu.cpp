// SPDX-License-Identifier: MIT
#include "servers/devices/iommu/iommu.hpp"

#include <cstring>

namespace pith::devices {

using namespace vtd;

Result<> Iommu::find(const FirmwareAccess& access) {
    unit_count_ = 0;
    firmware_ = PITH_TRY(find_acpi_table(access, "DMAR"));
    dmar_ = PITH_TRY(parse_dmar({firmware_.bytes(), firmware_.size()}));
    segment_ = dmar_.units[0].segment;
    for (const DmarUnit& unit : dmar_.all()) {
        if (unit.segment != segment_) continue;
        PITH_CHECK(units_[unit_count_].open(access.machine, unit));
        if (!units_[unit_count_++].suits(kMaxDomains)) return Error::unsupported;
    }
    levels_ = 0;
    for (const u32 levels : {3u, 4u}) {
        bool all = true;
        for (u32 i = 0; i < unit_count_; i++) all = all && units_[i].takes(levels);
        if (all) levels_ = levels;
    }
    if (levels_ == 0) return Error::unsupported;
    for (u32 i = 0; i < unit_count_; i++)
        if (!units_[i].coherent()) pages_.write_back_caches(true);
    return {};
}

void Iommu::use_memory() {
    for (u32 i = 0; i < unit_count_; i++)
        units_[i].use(pages_, {state_->root, state_->queues[i], unit_status(i)});
}

bool Iommu::mark_own() {
    if (!pages_.mark(state_->root) || !pages_.mark(state_->status)) return false;
    for (u32 i = 0; i < unit_count_; i++)
        if (!pages_.mark(state_->queues[i])) return false;
    return true;
}

Result<> Iommu::start() {
    on_ = false;
    pages_.unmark_all();
    std::memset(state_, 0, sizeof(*state_));
    state_->status = PITH_TRY(pages_.allocate());
    for (u32 i = 0; i < unit_count_; i++) state_->queues[i] = PITH_TRY(pages_.allocate());
    const u64 root = PITH_TRY(pages_.allocate());
    std::atomic_ref(state_->root).store(root, std::memory_order_release);
    use_memory();
    for (u32 i = 0; i < unit_count_; i++) PITH_CHECK(units_[i].start());
    on_ = true;
    return {};
}

Result<> Iommu::make_domain(u32 domain) {
    state_->tops[domain - 1] = PITH_TRY(pages_.allocate());
    return {};
}

Result<> Iommu::map(u32 domain, u64 address, u64 size) {
    table(domain).map(address, size);
    return announce({forget_domain(domain)});
}

/// The entry of a function; nullptr: there is no table for its bus.
u64* Iommu::context(u32 place) const {
    const u64 entry = pages_.words(state_->root)[2 * (place >> 8 & 0xff)];
    return entry == 0 ? nullptr : pages_.words(entry & kEntryAddress) + 2 * (place & 0xff);
}

Result<u64*> Iommu::make_context(u32 place) {
    u64& entry = pages_.words(state_->root)[2 * (place >> 8 & 0xff)];
    if (entry == 0) pages_.store(entry, PITH_TRY(pages_.allocate()) | kPresent);
    return context(place);
}

u32 Iommu::domain_of(u32 place) const {
    const u64* entry = context(place);
    return entry == nullptr || (entry[0] & kPresent) == 0 ? 0 : context_domain(entry[1]);
}

Result<> Iommu::attach(u32 place, u32 domain) {
    u64* entry = PITH_TRY(make_context(place));
    if (domain_of(place) == domain) return {};
    PITH_CHECK(detach(place, false));
    pages_.store(entry[1], context_high(levels_, domain));
    pages_.store(entry[0], state_->tops[domain - 1] | kPresent);
    const u16 source = static_cast<u16>(place);
    // What was not there is remembered as of domain 0 (6.1).
    return announce({forget_context(source, 0), forget_context(source, domain), forget_domain(domain)});
}

Result<> Iommu::detach(u32 place, bool quiet) {
    u64* entry = context(place);
    if (entry == nullptr && !quiet) return {};
    if (entry == nullptr) entry = PITH_TRY(make_context(place));
    const u32 domain = domain_of(place);
    pages_.store(entry[0], quiet ? kNoFaultRecords : 0);
    pages_.store(entry[1], 0);
    const u16 source = static_cast<u16>(place);
    if (domain == 0) return announce({forget_context(source, 0)});
    return invalidate({forget_context(source, domain), forget_domain(domain)});
}

Result<> Iommu::invalidate(std::initializer_list<Descriptor> descriptors) {
    for (u32 i = 0; i < unit_count_; i++) PITH_CHECK(units_[i].invalidate(descriptors));
    return {};
}

Result<> Iommu::announce(std::initializer_list<Descriptor> descriptors) {
    for (u32 i = 0; i < unit_count_; i++) PITH_CHECK(units_[i].announce(descriptors));
    return {};
}

void Iommu::set_interrupt(u64 address, u64 data) const {
    for (u32 i = 0; i < unit_count_; i++) units_[i].set_interrupt(address, data);
}

}  // namespace pith::devices
