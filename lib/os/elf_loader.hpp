// SPDX-License-Identifier: MIT
// The ELF files of components: static, linked at a fixed address, segments page aligned in the file. What is
// read-only is mapped straight from the bundle's Memory; only the writable part is copied.
#pragma once

#include <span>

#include "lib/os/handle.hpp"

namespace pith {

/// A checked component image.
struct ComponentImage {
    static constexpr usize kMaxSegments = 6;
    struct Segment {
        u64 address;  ///< page aligned
        u64 offset;   ///< in the image; page aligned
        u64 file_size;
        u64 memory_size;
        u32 flags;  ///< abi::kMap...
    };
    static constexpr u64 pages(u64 bytes) { return (bytes + abi::kPageSize - 1) / abi::kPageSize; }

    std::span<const u8> bytes;
    u64 entry = 0;
    Segment segments[kMaxSegments] = {};
    usize segment_count = 0;

    /// Checks the headers. protocol: it is not such a file.
    static Result<ComponentImage> parse(std::span<const u8> bytes);
    /// Pages that its writable segments take.
    u64 writable_pages() const;
    /// Maps the read-only segments from `bundle`, in which the image starts at `offset`.
    Result<> map_read_only(const Handle<Space>& space, const Handle<Memory>& bundle, u64 offset) const;
    /// Maps the writable segments in `space`, one after the other from `memory` (writable_pages() pages from `offset` on).
    Result<> map_writable(const Handle<Space>& space, const Handle<Memory>& memory, u64 offset) const;
};

}  // namespace pith
