// SPDX-License-Identifier: MIT
// Spaces: which page of which Memory stands at which address, with which rights; W^X.
//
// Range operations work page by page from the lowest address, and end at the first page that cannot be done: I6 holds for
// each page. space_map says how far it came (r0).
#include <cstring>

#include "tests/host/spec/system.hpp"

namespace pith::spec {

namespace {

constexpr auto kMap = static_cast<RightsBits>(abi::SpaceRight::map);
constexpr u32 kRights = abi::kMapRead | abi::kMapWrite | abi::kMapExecute;
constexpr u32 kWriteExecute = abi::kMapWrite | abi::kMapExecute;

bool aligned(u64 value) { return value % abi::kPageSize == 0; }

/// A page-aligned, not empty range below kUserTop.
bool valid_range(u64 address, u64 length) {
    return aligned(address) && aligned(length) && length != 0 && address < abi::kUserTop &&
           length <= abi::kUserTop - address;
}

template <typename T>
T from_buffer(const Call& call, usize index) {
    T value;
    std::memcpy(&value, reinterpret_cast<const char*>(call.buffer.words) + index * sizeof(T), sizeof(T));
    return value;
}

}  // namespace

Outcome System::space_map(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::space, kMap, errors);
    if (target == nullptr) return {.errors = errors};
    if (call.a[0] == 0 || call.a[0] > abi::kMaxMapRanges) return {.errors = {Error::invalid}};
    auto& space = as<Space>(target->object);
    u64 mapped = 0;
    for (usize i = 0; i < call.a[0]; i++) {  // each range by itself: what was mapped before an error stays
        auto range = from_buffer<abi::MapRange>(call, i);
        u32 rights = range.flags & kRights;
        if ((range.flags & ~(kRights | abi::kMapReplace)) != 0) errors.insert(Error::invalid);
        if (!valid_range(range.address, range.length) || !aligned(range.offset))
            errors.insert(Error::invalid);
        if ((rights & kWriteExecute) == kWriteExecute && !space.jit) errors.insert(Error::write_execute);
        // The capability's rights have the same bits as the flags.
        const Capability* memory = lookup(thread, range.memory, ObjectType::memory,
                                          static_cast<RightsBits>(rights), errors);
        if (memory != nullptr) {
            u64 size = as<Memory>(memory->object).pages * abi::kPageSize;
            if (range.offset > size || range.length > size - range.offset) errors.insert(Error::invalid);
        }
        if (!errors.empty()) return {.errors = errors, .r0 = mapped};
        for (u64 at = 0; at < range.length; at += abi::kPageSize) {
            bool occupied = space.pages.contains(range.address + at);
            if (observed_.error == Error::no_memory && mapped + at == observed_.progress)
                return {.errors = {Error::no_memory}, .r0 = mapped + at};
            if (occupied && !(range.flags & abi::kMapReplace))
                return {.errors = {Error::occupied}, .r0 = mapped + at};
            space.pages[range.address + at] = {.memory = memory->object,
                                               .page = (range.offset + at) >> abi::kPageShift,
                                               .rights = rights,
                                               .maximum = memory->rights & kRights};
        }
        mapped += range.length;
    }
    return {.r0 = mapped};
}

Outcome System::space_unmap(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::space, kMap, errors);
    if (!valid_range(call.a[0], call.a[1])) errors.insert(Error::invalid);
    if (!errors.empty()) return {.errors = errors};
    auto& pages = as<Space>(target->object).pages;
    pages.erase(pages.lower_bound(call.a[0]), pages.lower_bound(call.a[0] + call.a[1]));
    return {};
}

Outcome System::space_protect(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::space, kMap, errors);
    if (!valid_range(call.a[0], call.a[1])) errors.insert(Error::invalid);
    if ((call.a[2] & ~u64{kRights}) != 0) errors.insert(Error::invalid);
    if (target != nullptr && (call.a[2] & kWriteExecute) == kWriteExecute && !as<Space>(target->object).jit)
        errors.insert(Error::write_execute);
    if (!errors.empty()) return {.errors = errors};
    auto& pages = as<Space>(target->object).pages;
    auto end = pages.lower_bound(call.a[0] + call.a[1]);
    for (auto page = pages.lower_bound(call.a[0]); page != end; ++page) {
        if ((call.a[2] & ~u64{page->second.maximum}) != 0) return {.errors = {Error::no_right}};
        page->second.rights = static_cast<u32>(call.a[2]);
    }
    return {};
}

/// The target maps what the source maps in the range, with rights (now and ever) reduced to `rights`; the source keeps
/// `source_rights` of its own.
Outcome System::space_share(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::space, kMap, errors);
    auto range = from_buffer<abi::ShareRange>(call, 0);
    const Capability* source = lookup(thread, range.source, ObjectType::space, kMap, errors);
    if (!valid_range(range.address, range.length)) errors.insert(Error::invalid);
    if (source != nullptr && target != nullptr && source->object == target->object)
        errors.insert(Error::invalid);
    if (!errors.empty()) return {.errors = errors};

    auto& from = as<Space>(source->object);
    auto& to = as<Space>(target->object);
    auto end = from.pages.lower_bound(range.address + range.length);
    for (auto page = from.pages.lower_bound(range.address); page != end; ++page) {
        Mapping copy = page->second;
        copy.dirty = false;
        copy.rights &= range.rights;
        copy.maximum &= range.rights;
        if ((copy.rights & kWriteExecute) == kWriteExecute && !to.jit)
            return {.errors = {Error::write_execute}};
        if (to.pages.contains(page->first)) return {.errors = {Error::occupied}};
        if (observed_.error == Error::no_memory && !observed_.mapped(target->object, page->first))
            return {.errors = {Error::no_memory}};
        to.pages[page->first] = copy;
        page->second.rights &= range.source_rights;
    }
    return {};
}

/// Which pages were written since the last look, a bit a page from the lowest address.
Outcome System::space_dirty(Id thread, const Call& call) {
    Errors errors;
    const Capability* target = lookup(thread, call.handle, ObjectType::space, kMap, errors);
    const u64 count = call.a[1];
    if (count == 0 || count > abi::kBufferWords * 64 || !valid_range(call.a[0], count * abi::kPageSize))
        errors.insert(Error::invalid);
    if (!errors.empty()) return {.errors = errors};
    auto& pages = as<Space>(target->object).pages;
    std::vector<u64> words((count + 63) / 64);
    for (u64 i = 0; i < count; i++) {
        auto page = pages.find(call.a[0] + i * abi::kPageSize);
        if (page == pages.end() || !page->second.dirty) continue;
        page->second.dirty = false;
        words[i / 64] |= u64{1} << i % 64;
    }
    Outcome outcome;
    for (usize i = 0; i < words.size(); i++)
        outcome.output.push_back({.index = i, .least = words[i], .most = words[i]});
    return outcome;
}

bool System::write(Id thread, u64 address) {
    auto& pages = as<Space>(as<Thread>(thread).space).pages;
    auto page = pages.find(address & ~(abi::kPageSize - 1));
    if (page == pages.end() || !(page->second.rights & abi::kMapWrite)) return false;
    page->second.dirty = true;
    return true;
}

}  // namespace pith::spec
