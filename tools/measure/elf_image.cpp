// SPDX-License-Identifier: MIT
#include "tools/measure/elf_image.hpp"

#include <elf.h>

#include <cstring>

#include "tools/base/host.hpp"

namespace pith::tools {

namespace {

/// A structure at an offset of the file.
template <typename T>
T read_at(const std::vector<u8>& content, u64 offset, const std::string& path) {
    T value;
    if (offset > content.size() || sizeof(T) > content.size() - offset) fail(1, "{}: damaged", path);
    std::memcpy(&value, content.data() + offset, sizeof(T));
    return value;
}

std::string text_at(const std::vector<u8>& content, u64 offset, const std::string& path) {
    if (offset >= content.size()) fail(1, "{}: damaged", path);
    const char* start = reinterpret_cast<const char*>(content.data()) + offset;
    return {start, ::strnlen(start, content.size() - offset)};
}

struct Symbol {
    std::string name;
    u32 section;  ///< SHN_UNDEF: none of this file's
};

}  // namespace

ElfImage::ElfImage(const std::string& path) {
    const std::vector<u8> content = read_file(path);
    const auto header = read_at<Elf64_Ehdr>(content, 0, path);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_machine != EM_X86_64 || header.e_shentsize != sizeof(Elf64_Shdr))
        fail(1, "{}: not an x86-64 ELF file", path);
    std::vector<Elf64_Shdr> sections;
    for (u64 i = 0; i < header.e_shnum; ++i)
        sections.push_back(read_at<Elf64_Shdr>(content, header.e_shoff + i * sizeof(Elf64_Shdr), path));
    if (header.e_shstrndx >= sections.size()) fail(1, "{}: damaged", path);
    std::vector<Symbol> symbols;
    for (const Elf64_Shdr& section : sections) {
        section_names_.push_back(
            text_at(content, sections[header.e_shstrndx].sh_offset + section.sh_name, path));
        if ((section.sh_flags & SHF_EXECINSTR) != 0) code_size_ += section.sh_size;
        if (section.sh_type != SHT_SYMTAB) continue;
        if (section.sh_link >= sections.size()) fail(1, "{}: damaged", path);
        const u64 names = sections[section.sh_link].sh_offset;
        for (u64 at = 0; at < section.sh_size; at += sizeof(Elf64_Sym)) {
            const auto symbol = read_at<Elf64_Sym>(content, section.sh_offset + at, path);
            // Absolute values and the like are in no section.
            const bool defined = symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < sections.size();
            symbols.push_back(
                {text_at(content, names + symbol.st_name, path), defined ? symbol.st_shndx : u32{SHN_UNDEF}});
            if (!defined) continue;
            if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC)
                functions_.push_back({symbols.back().name, symbol.st_value, symbol.st_size, symbol.st_shndx});
            if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL)
                definitions_.emplace(symbols.back().name, symbol.st_shndx);
        }
    }
    for (const Elf64_Shdr& section : sections) {
        if (section.sh_type != SHT_RELA || section.sh_info == 0) continue;
        for (u64 at = 0; at < section.sh_size; at += sizeof(Elf64_Rela)) {
            const u64 symbol = ELF64_R_SYM(read_at<Elf64_Rela>(content, section.sh_offset + at, path).r_info);
            if (symbol >= symbols.size()) fail(1, "{}: damaged", path);
            references_.push_back({section.sh_info, symbols[symbol].section, symbols[symbol].name});
        }
    }
    if (functions_.empty() && code_size_ == 0) fail(1, "{}: has no code", path);
}

}  // namespace pith::tools
