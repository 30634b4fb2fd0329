// SPDX-License-Identifier: MIT
// Cuts an ELF executable down to what is loaded. The linker puts sections that are not loaded behind the last segment.
#include <elf.h>

#include <algorithm>
#include <cstring>

#include "tools/base/host.hpp"
#include "tools/bundle/builder.hpp"

namespace pith::tools {

std::vector<u8> loadable_part(std::vector<u8> content, const std::string& path) {
    Elf64_Ehdr header;
    if (content.size() < sizeof(header)) fail(kUsage, "{}: not an ELF file", path);
    std::memcpy(&header, content.data(), sizeof(header));
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) fail(kUsage, "{}: not an ELF file", path);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_X86_64 || header.e_type != ET_EXEC) {
        fail(kUsage, "{}: not a static x86-64 executable", path);
    }
    const u64 table_size = u64{header.e_phnum} * sizeof(Elf64_Phdr);
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > content.size() ||
        table_size > content.size() - header.e_phoff) {
        fail(kUsage, "{}: its program headers lie outside the file", path);
    }
    u64 end = header.e_phoff + table_size;
    for (u32 index = 0; index < header.e_phnum; ++index) {
        Elf64_Phdr segment;
        std::memcpy(&segment, content.data() + header.e_phoff + index * sizeof(segment), sizeof(segment));
        if (segment.p_type != PT_LOAD) continue;
        if (segment.p_offset > content.size() || segment.p_filesz > content.size() - segment.p_offset) {
            fail(kUsage, "{}: a segment lies outside the file", path);
        }
        end = std::max(end, segment.p_offset + segment.p_filesz);
    }
    content.resize(end);
    header.e_shoff = 0;
    header.e_shnum = 0;
    header.e_shstrndx = 0;
    std::memcpy(content.data(), &header, sizeof(header));
    return content;
}

}  // namespace pith::tools
