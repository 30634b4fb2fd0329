// SPDX-License-Identifier: MIT
#include "servers/linux/elf.hpp"

#include <string.h>

#include <algorithm>
#include <bit>

namespace pith::lx {

namespace {

constexpr u64 kPage = 4096;
constexpr u64 kUserEnd = 0x0000'7fff'ffff'f000;
constexpr u16 kTypeExecutable = 2, kTypeShared = 3, kMachineX86 = 62;
constexpr u32 kLoad = 1, kInterp = 3, kPhdr = 6, kGnuStack = 0x6474'e551;
constexpr u16 kMaxHeaders = 512;

struct FileHeader {
    u8 ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, program_offset, section_offset;
    u32 flags;
    u16 header_size, program_size, program_count, section_size, section_count, names;
};
static_assert(sizeof(FileHeader) == kElfHeaderSize);

struct ProgramHeader {
    u32 type, flags;
    u64 offset, address, physical, file_size, memory_size, alignment;
};
static_assert(sizeof(ProgramHeader) == 56);

u8 prot_of(u32 flags) {
    return static_cast<u8>(((flags & 4) != 0 ? 1 : 0) | ((flags & 2) != 0 ? 2 : 0) |
                           ((flags & 1) != 0 ? 4 : 0));
}

SysResult<> add_segment(ElfImage& image, const ProgramHeader& header, u64 file_size, u64 program_offset) {
    if (header.memory_size == 0) return {};
    if (header.file_size > header.memory_size) return Errno::ENOEXEC;
    if (header.offset > file_size || header.file_size > file_size - header.offset) return Errno::ENOEXEC;
    if (header.address >= kUserEnd || header.memory_size > kUserEnd - header.address) return Errno::ENOEXEC;
    if (header.offset % kPage != header.address % kPage) return Errno::ENOEXEC;
    if (!image.segments.empty()) {
        const ElfSegment& last = image.segments.back();
        if (header.address < last.address + last.memory_size) return Errno::ENOEXEC;
    }
    if (header.alignment != 0 && !std::has_single_bit(header.alignment)) return Errno::ENOEXEC;
    image.alignment = std::max(image.alignment, header.alignment);
    if (program_offset >= header.offset && program_offset < header.offset + header.file_size &&
        image.header_address == 0)
        image.header_address = header.address + (program_offset - header.offset);
    const u8 prot = prot_of(header.flags);
    image.segments.push_back({header.address, header.offset, header.file_size, header.memory_size,
                              static_cast<u8>(prot != 0 ? prot | 1 : 0)});
    return {};
}

SysResult<> read_interpreter(ElfImage& image, const ProgramHeader& header, ElfReader& file) {
    if (header.file_size < 2 || header.file_size > kPage) return Errno::ENOEXEC;
    image.interpreter.resize(header.file_size);
    if (!file.read(header.offset, image.interpreter.data(), header.file_size)) return Errno::EIO;
    if (image.interpreter.back() != '\0') return Errno::ENOEXEC;
    image.interpreter.resize(strlen(image.interpreter.c_str()));
    image.has_interpreter = true;
    return {};
}

}  // namespace

SysResult<ElfImage> parse_elf(ElfReader& file) {
    FileHeader header;
    if (!file.read(0, &header, sizeof header)) return Errno::ENOEXEC;
    static constexpr u8 kIdent[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    if (memcmp(header.ident, kIdent, sizeof kIdent) != 0) return Errno::ENOEXEC;
    if (header.type != kTypeExecutable && header.type != kTypeShared) return Errno::ENOEXEC;
    if (header.machine != kMachineX86 || header.program_size != sizeof(ProgramHeader)) return Errno::ENOEXEC;
    if (header.program_count == 0 || header.program_count > kMaxHeaders) return Errno::ENOEXEC;
    std::vector<ProgramHeader> headers(header.program_count);
    if (!file.read(header.program_offset, headers.data(), headers.size() * sizeof(ProgramHeader)))
        return Errno::ENOEXEC;

    ElfImage image;
    image.position_independent = header.type == kTypeShared;
    image.entry = header.entry;
    image.header_count = header.program_count;
    image.header_size = sizeof(ProgramHeader);
    for (const ProgramHeader& entry : headers) {
        if (entry.type == kLoad) PITH_CHECK(add_segment(image, entry, file.size(), header.program_offset));
        if (entry.type == kInterp && !image.has_interpreter) PITH_CHECK(read_interpreter(image, entry, file));
        if (entry.type == kPhdr) image.header_address = entry.address;
        if (entry.type == kGnuStack) image.executable_stack = (entry.flags & 1) != 0;
    }
    if (image.segments.empty()) return Errno::ENOEXEC;
    const ElfSegment& last = image.segments.back();
    image.low = image.segments.front().address & ~(kPage - 1);
    image.high = (last.address + last.memory_size + kPage - 1) & ~(kPage - 1);
    if (image.high > kUserEnd) return Errno::ENOEXEC;
    if (!image.position_independent && image.low < 0x1'0000) return Errno::ENOEXEC;
    return image;
}

SysResult<Script> parse_script(std::span<const u8> head) {
    if (head.size() < 3 || head[0] != '#' || head[1] != '!') return Errno::ENOEXEC;
    std::string_view line(reinterpret_cast<const char*>(head.data()) + 2,
                          std::min<usize>(head.size(), 256) - 2);
    const usize end = line.find_first_of(std::string_view("\n\0", 2));
    const bool whole = end != std::string_view::npos;
    if (whole) line = line.substr(0, end);
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!line.empty() && blank(line.front())) line.remove_prefix(1);
    while (!line.empty() && blank(line.back())) line.remove_suffix(1);
    const usize space = line.find_first_of(" \t");
    // A name that may have been cut off is not believed.
    if (line.empty() || (!whole && head.size() >= 256 && space == std::string_view::npos))
        return Errno::ENOEXEC;
    Script script;
    script.interpreter = line.substr(0, space);
    if (space != std::string_view::npos) {
        line.remove_prefix(space);
        while (!line.empty() && blank(line.front())) line.remove_prefix(1);
        script.argument = line;
    }
    return script;
}

}  // namespace pith::lx
