// SPDX-License-Identifier: MIT
// Walking the chained segments of a bundle.
#include "lib/os/bundle.hpp"

namespace pith {

bool Bundle::segment(u64 start, Segment& result) const {
    if (start >= bytes_.size() || bytes_.size() - start < sizeof(abi::BundleHeader)) return false;
    const auto* header = reinterpret_cast<const abi::BundleHeader*>(bytes_.data() + start);
    if (header->magic != abi::kBundleMagic || header->size > bytes_.size() - start ||
        header->size % abi::kPageSize != 0 || header->size == 0)
        return false;
    const u64 table = u64{header->entries} * sizeof(abi::BundleEntry);
    if (table > header->size - sizeof(*header) || header->names_size > header->size - sizeof(*header) - table)
        return false;
    result.start = start;
    result.header = header;
    result.entries = reinterpret_cast<const abi::BundleEntry*>(header + 1);
    result.names = reinterpret_cast<const char*>(result.entries + header->entries);
    return true;
}

bool Bundle::file(const Segment& segment, u32 index, BundleFile& result) {
    const abi::BundleEntry& entry = segment.entries[index];
    const abi::BundleHeader& header = *segment.header;
    if (entry.name_offset > header.names_size || entry.name_length > header.names_size - entry.name_offset ||
        entry.offset > header.size || entry.size > header.size - entry.offset)
        return false;
    result.name = {segment.names + entry.name_offset, entry.name_length};
    result.offset = segment.start + entry.offset;
    result.content = {reinterpret_cast<const u8*>(&header) + entry.offset, entry.size};
    result.kind = entry.kind;
    result.mode = entry.mode;
    result.mtime = entry.mtime;
    return true;
}

Result<Bundle> Bundle::open(std::span<const u8> bytes) {
    Bundle bundle(bytes);
    Segment first;
    if (!bundle.segment(0, first)) return Error::protocol;
    return bundle;
}

Result<BundleFile> Bundle::find(std::string_view name) const {
    BundleFile found{};
    bool any = false;
    Segment part;
    for (u64 at = 0; segment(at, part); at += part.header->size)
        for (u32 i = 0; i < part.header->entries; i++) {
            // Most entries are files of the root file system: compare lengths before anything else.
            if (part.entries[i].name_length != name.size()) continue;
            BundleFile entry;
            if (!file(part, i, entry) || entry.name != name) continue;
            found = entry;
            any = true;
        }
    if (!any) return Error::not_found;
    return found;
}

void Bundle::for_each(Callback<void(const BundleFile&)> visit) const {
    Segment part;
    for (u64 at = 0; segment(at, part); at += part.header->size)
        for (u32 i = 0; i < part.header->entries; i++) {
            BundleFile entry;
            if (file(part, i, entry)) visit(entry);
        }
}

}  // namespace pith
