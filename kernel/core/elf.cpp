// SPDX-License-Identifier: MIT
// The boot bundle's directory and ELF program headers. Everything is copied out with its bounds checked.
#include "kernel/core/elf.hpp"

#include <string.h>

#include "abi/memory.hpp"

namespace pith::core {
namespace {

struct ElfHeader {
    u8 ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, program_offset, section_offset;
    u32 flags;
    u16 header_size, program_size, program_count, section_size, section_count, names;
};
static_assert(sizeof(ElfHeader) == 64);

struct ProgramHeader {
    u32 type, flags;
    u64 offset, address, physical, file_size, memory_size, alignment;
};
static_assert(sizeof(ProgramHeader) == 56);

constexpr u16 kTypeExecutable = 2;
constexpr u32 kLoad = 1;
constexpr u8 kClass64 = 2;

template <typename T>
bool read(Bytes bytes, u64 offset, T& value) {
    if (offset > bytes.size() || sizeof(T) > bytes.size() - offset) return false;
    memcpy(&value, bytes.data() + offset, sizeof(T));
    return true;
}

bool within(u64 offset, u64 size, u64 total) { return offset <= total && size <= total - offset; }

/// ELF flags (execute 1, write 2, read 4) as kMap bits.
u32 rights_of(u32 flags) {
    return ((flags & 4) != 0 ? abi::kMapRead : 0) | ((flags & 2) != 0 ? abi::kMapWrite : 0) |
           ((flags & 1) != 0 ? abi::kMapExecute : 0);
}

Result<Bytes> find_in_segment(Bytes segment, const abi::BundleHeader& header, std::string_view name) {
    const u64 names = sizeof(header) + u64{header.entries} * sizeof(abi::BundleEntry);
    if (!within(names, header.names_size, segment.size())) return Error::invalid;
    Result<Bytes> found = Error::not_found;
    for (u64 i = 0; i < header.entries; i++) {
        abi::BundleEntry entry;
        if (!read(segment, sizeof(header) + i * sizeof(entry), entry)) return Error::invalid;
        if (!within(entry.name_offset, entry.name_length, header.names_size)) return Error::invalid;
        if (std::string_view(segment.data() + names + entry.name_offset, entry.name_length) != name) continue;
        if (!within(entry.offset, entry.size, segment.size())) return Error::invalid;
        found = Bytes(segment.data() + entry.offset, entry.size);
    }
    return found;
}

}  // namespace

Result<Bytes> find_in_bundle(Bytes bundle, std::string_view name) {
    Result<Bytes> found = Error::not_found;
    abi::BundleHeader header;
    while (read(bundle, 0, header) && header.magic == abi::kBundleMagic) {
        if (header.size < sizeof(header) || header.size > bundle.size()) return Error::invalid;
        auto here = find_in_segment(bundle.first(header.size), header, name);
        if (here.ok() || here.error() != Error::not_found) found = std::move(here);
        bundle = bundle.subspan(header.size);
    }
    return found;
}

Result<ElfImage> ElfImage::parse(Bytes file) {
    ElfHeader header;
    if (!read(file, 0, header) || memcmp(header.ident,
                                         "\x7f"
                                         "ELF",
                                         4) != 0)
        return Error::invalid;
    if (header.ident[4] != kClass64 || header.type != kTypeExecutable) return Error::invalid;
    if (header.program_size != sizeof(ProgramHeader)) return Error::invalid;
    ElfImage image;
    image.entry_ = header.entry;
    for (u64 i = 0; i < header.program_count; i++) {
        ProgramHeader program;
        if (!read(file, header.program_offset + i * sizeof(program), program)) return Error::invalid;
        if (program.type != kLoad || program.memory_size == 0) continue;
        const bool fits = within(program.offset, program.file_size, file.size()) &&
                          program.file_size <= program.memory_size && program.address >= abi::kPageSize &&
                          within(program.address, program.memory_size, abi::kUserTop);
        if (!fits || image.count_ == kMaxSegments) return Error::invalid;
        image.segments_[image.count_++] = {program.address, program.memory_size, file.data() + program.offset,
                                           program.file_size, rights_of(program.flags)};
    }
    if (image.count_ == 0 || image.entry_ >= abi::kUserTop) return Error::invalid;
    return image;
}

}  // namespace pith::core
