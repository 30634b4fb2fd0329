// SPDX-License-Identifier: MIT
// Loading components. The format: System V ABI, "Object Files" and "Program Loading".
#include "lib/os/elf_loader.hpp"

#include <cstring>

namespace pith {

namespace {

struct ElfHeader {
    u8 ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, program_offset, section_offset;
    u32 flags;
    u16 header_size, program_entry_size, program_count, section_entry_size, section_count, names;
};
static_assert(sizeof(ElfHeader) == 64);

struct ProgramHeader {
    u32 type, flags;
    u64 offset, address, physical, file_size, memory_size, align;
};
static_assert(sizeof(ProgramHeader) == 56);

constexpr u32 kLoad = 1;
constexpr u16 kExecutable = 2;
constexpr u16 kMachineX86_64 = 62;

Result<ComponentImage::Segment> segment_of(const ProgramHeader& p, u64 image_size) {
    if (p.offset % abi::kPageSize != 0 || p.address % abi::kPageSize != 0 || p.address == 0 ||
        p.file_size > p.memory_size || p.offset > image_size || p.file_size > image_size - p.offset ||
        p.memory_size > (u64{1} << 28) || p.address > (u64{1} << 28))
        return Error::protocol;
    const u32 flags = ((p.flags & 4) != 0 ? abi::kMapRead : 0) | ((p.flags & 2) != 0 ? abi::kMapWrite : 0) |
                      ((p.flags & 1) != 0 ? abi::kMapExecute : 0);
    const bool writable = (flags & abi::kMapWrite) != 0;
    if (writable && (flags & abi::kMapExecute) != 0) return Error::write_execute;
    if (!writable && p.file_size != p.memory_size) return Error::protocol;
    return ComponentImage::Segment{p.address, p.offset, p.file_size, p.memory_size, flags};
}

}  // namespace

Result<ComponentImage> ComponentImage::parse(std::span<const u8> bytes) {
    ComponentImage image;
    image.bytes = bytes;
    if (bytes.size() < sizeof(ElfHeader)) return Error::protocol;
    const auto& header = *reinterpret_cast<const ElfHeader*>(bytes.data());
    if (std::memcmp(header.ident, "\177ELF\2\1\1", 7) != 0 || header.type != kExecutable ||
        header.machine != kMachineX86_64 || header.program_entry_size != sizeof(ProgramHeader) ||
        header.program_offset % 8 != 0 || header.program_offset > bytes.size() ||
        header.program_count > (bytes.size() - header.program_offset) / sizeof(ProgramHeader))
        return Error::protocol;
    image.entry = header.entry;
    const auto* programs = reinterpret_cast<const ProgramHeader*>(bytes.data() + header.program_offset);
    for (u16 i = 0; i < header.program_count; i++) {
        if (programs[i].type != kLoad || programs[i].memory_size == 0) continue;
        if (image.segment_count == kMaxSegments) return Error::protocol;
        image.segments[image.segment_count++] = PITH_TRY(segment_of(programs[i], bytes.size()));
    }
    if (image.segment_count == 0) return Error::protocol;
    return image;
}

u64 ComponentImage::writable_pages() const {
    u64 total = 0;
    for (usize i = 0; i < segment_count; i++)
        if ((segments[i].flags & abi::kMapWrite) != 0) total += pages(segments[i].memory_size);
    return total;
}

Result<> ComponentImage::map_read_only(const Handle<Space>& space, const Handle<Memory>& bundle,
                                       u64 offset) const {
    abi::MapRange ranges[kMaxSegments];
    usize count = 0;
    for (usize i = 0; i < segment_count; i++) {
        const Segment& s = segments[i];
        if ((s.flags & abi::kMapWrite) != 0) continue;
        ranges[count++] = {s.address, bundle.index(), s.flags, offset + s.offset,
                           pages(s.file_size) * abi::kPageSize};
    }
    if (auto mapped = space.map_ranges({ranges, count}); !mapped.ok()) return mapped.error();
    return {};
}

Result<> ComponentImage::map_writable(const Handle<Space>& space, const Handle<Memory>& memory,
                                      u64 offset) const {
    abi::MapRange ranges[kMaxSegments];
    usize count = 0;
    u64 at = offset;
    for (usize i = 0; i < segment_count; i++) {
        const Segment& s = segments[i];
        if ((s.flags & abi::kMapWrite) == 0) continue;
        const u64 length = pages(s.memory_size) * abi::kPageSize;
        ranges[count++] = {s.address, memory.index(), s.flags, at, length};
        at += length;
    }
    if (count == 0) return {};
    if (auto mapped = space.map_ranges({ranges, count}); !mapped.ok()) return mapped.error();
    return {};
}

}  // namespace pith
