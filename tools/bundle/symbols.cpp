// SPDX-License-Identifier: MIT
// The names of a component's functions (lib/os/symbols.hpp), from the symbol table of its ELF file.
#include "lib/os/symbols.hpp"

#include <cxxabi.h>
#include <elf.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "tools/bundle/builder.hpp"

namespace pith::tools {

namespace {

constexpr usize kLongestName = 80;

void remove_all(std::string& text, std::string_view part) {
    for (usize at = text.find(part); at != std::string::npos; at = text.find(part, at))
        text.erase(at, part.size());
}

/// The identifiers in a mangled name that the host's library cannot read (constraints of templates): better than nothing.
std::string identifiers_of(std::string_view mangled) {
    std::string result;
    for (usize i = 0; i < mangled.size(); i++) {
        usize length = 0;
        for (; i < mangled.size() && mangled[i] >= '0' && mangled[i] <= '9'; i++)
            length = length * 10 + static_cast<usize>(mangled[i] - '0');
        if (length == 0 || length > mangled.size() - i) continue;
        const std::string_view name = mangled.substr(i, length);
        i += length - 1;
        if (name == "pith" || name.starts_with("_GLOBAL__") || name.starts_with("__")) continue;
        if (!result.empty()) result += ' ';
        result += name;
    }
    return result;
}

/// What a reader of a report needs of a name: no parameters, none of the outermost namespaces, and not all of it.
std::string short_name(const char* mangled) {
    int status = 0;
    char* demangled = ::__cxxabiv1::__cxa_demangle(mangled, nullptr, nullptr, &status);
    if (demangled == nullptr && std::string_view(mangled).starts_with("_Z"))
        return identifiers_of(mangled).substr(0, kLongestName);
    std::string text = demangled != nullptr ? demangled : mangled;
    std::free(demangled);
    remove_all(text, "(anonymous namespace)::");
    remove_all(text, "pith::");
    remove_all(text, "std::__1::");
    remove_all(text, "<void (Message&, PendingReply&)>");
    std::string result;
    int depth = 0;
    for (usize i = 0; i < text.size(); i++) {
        const bool operator_follows = text.compare(i, 8, "operator") == 0;
        if (operator_follows && depth == 0) {
            usize end = i + 8;
            while (end < text.size() && text[end] != '(') end++;
            result += text.substr(i, end - i);
            i = end - 1;
            continue;
        }
        if (text[i] == '(' && depth == 0) break;
        if (text[i] == '<') depth++;
        if (text[i] == '>') depth -= depth > 0 ? 1 : 0;
        // A template's instance has its result's type before its name.
        if (text[i] == ' ' && depth == 0 && result.find("operator") == result.npos) result.clear();
        else result += text[i];
    }
    return result.substr(0, kLongestName);
}

template <typename T>
bool read_at(const std::vector<u8>& content, u64 offset, T& value) {
    if (offset > content.size() || content.size() - offset < sizeof(T)) return false;
    std::memcpy(&value, content.data() + offset, sizeof(T));
    return true;
}

/// A string of a table that ends before the file does.
const char* string_at(const std::vector<u8>& content, const Elf64_Shdr& strings, u32 offset) {
    const u64 at = strings.sh_offset + offset;
    if (offset >= strings.sh_size || at >= content.size()) return nullptr;
    return std::memchr(content.data() + at, 0, content.size() - at) == nullptr
               ? nullptr
               : reinterpret_cast<const char*>(content.data() + at);
}

}  // namespace

std::vector<u8> symbol_table(const std::vector<u8>& content) {
    std::map<u64, std::pair<u64, std::string>> functions;  // address -> size, name
    Elf64_Ehdr header;
    if (!read_at(content, 0, header)) return {};
    for (u32 index = 0; index < header.e_shnum; ++index) {
        Elf64_Shdr table, strings;
        if (!read_at(content, header.e_shoff + index * sizeof(table), table) || table.sh_type != SHT_SYMTAB ||
            !read_at(content, header.e_shoff + table.sh_link * sizeof(strings), strings))
            continue;
        for (u64 at = 0; at + sizeof(Elf64_Sym) <= table.sh_size; at += sizeof(Elf64_Sym)) {
            Elf64_Sym symbol;
            if (!read_at(content, table.sh_offset + at, symbol)) break;
            const char* name = string_at(content, strings, symbol.st_name);
            if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_size != 0 && name != nullptr)
                functions.try_emplace(symbol.st_value, symbol.st_size, short_name(name));
        }
    }
    std::vector<SymbolEntry> entries;
    std::string names;
    std::map<std::string, u32> places;  // equal names once
    for (const auto& [address, function] : functions) {
        const auto& [size, name] = function;
        const auto [place, added] = places.try_emplace(name, static_cast<u32>(names.size()));
        if (added) names += name;
        entries.push_back({static_cast<u32>(address), static_cast<u32>(size), place->second,
                           static_cast<u32>(name.size())});
    }
    const SymbolHeader start{kSymbolsMagic, entries.size()};
    const usize table_size = entries.size() * sizeof(SymbolEntry);
    std::vector<u8> result(sizeof(start) + table_size + names.size());
    std::memcpy(result.data(), &start, sizeof(start));
    if (table_size != 0) std::memcpy(result.data() + sizeof(start), entries.data(), table_size);
    if (!names.empty()) std::memcpy(result.data() + sizeof(start) + table_size, names.data(), names.size());
    return result;
}

}  // namespace pith::tools
