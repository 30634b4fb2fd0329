// SPDX-License-Identifier: MIT
#include "servers/net/stack/records.hpp"

#include <bit>
#include <cstring>

namespace pith::stack {
namespace {

/// Of all but the checksum itself, which comes last.
template <typename T>
u64 sum(const T& record) {
    static_assert(sizeof(T) % sizeof(u64) == 0);
    using Word [[gnu::may_alias]] = u64;
    const Word* const words = reinterpret_cast<const Word*>(&record);
    u64 hash = 0x243f6a8885a308d3;
    for (usize i = 0; i + 1 < sizeof(T) / sizeof(u64); i++)
        hash = std::rotl(hash ^ words[i], 29) * 0x9e3779b97f4a7c15;
    return hash;
}

template <typename T>
bool newest(const T (&copies)[2], T& out) {
    bool found = false;
    for (const T& copy : copies) {
        T candidate;
        std::memcpy(&candidate, &copy, sizeof(T));
        if (candidate.count == 0 || candidate.checksum != sum(candidate)) continue;
        if (found && candidate.count < out.count) continue;
        out = candidate;
        found = true;
    }
    return found;
}

template <typename T>
void write_next(T (&copies)[2], T& record) {
    record.count++;
    record.checksum = sum(record);
    std::memcpy(&copies[record.count & 1], &record, sizeof(T));
    asm volatile("" ::: "memory");  // it is there before anything that depends on it is shown
}

}  // namespace

bool Records::good() {
    if (area_.magic == kMagic) return true;
    std::memset(static_cast<void*>(&area_), 0, sizeof(Area));
    area_.magic = kMagic;
    return false;
}

bool Records::read(u32 socket, Record& out) const { return newest(area_.records[socket], out); }
void Records::write(u32 socket, Record& record) { write_next(area_.records[socket], record); }
bool Records::read(Lease& out) const { return newest(area_.leases, out); }
void Records::write(Lease& lease) { write_next(area_.leases, lease); }
void Records::clear() {
    area_.groups = 0;
    std::memset(static_cast<void*>(area_.records), 0, sizeof area_.records);
}

}  // namespace pith::stack
