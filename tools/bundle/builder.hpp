// SPDX-License-Identifier: MIT
// Builds one segment of a boot bundle (abi/boot.hpp): entries with a name, a kind and content, each page aligned.
// A name that is added twice replaces the earlier one.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "abi/boot.hpp"

namespace pith::tools {

class BundleBuilder {
  public:
    /// A regular file of the root file system; `path` without the leading slash. Parents are made as needed.
    void add_file(std::string_view path, std::vector<u8> content, u32 mode, i64 mtime);
    void add_directory(std::string_view path, u32 mode, i64 mtime);
    void add_symlink(std::string_view path, std::string_view target, i64 mtime);
    /// A host file, directory (with what is below it) or link at `path`, with its mode and time. Fails on the rest.
    void add_host_path(const std::string& host_path, std::string_view path);
    /// An ELF executable as "component/NAME", without its debugging sections, and the names of its functions as "symbols/NAME". Fails if it
    /// is not one of ours.
    void add_component(std::string_view name, const std::string& elf_path);
    /// Anything else, by its full name.
    void add_data(std::string_view name, std::vector<u8> content);

    /// The segment, a whole number of pages.
    std::vector<u8> finish() const;

  private:
    struct Item {
        abi::BundleKind kind = abi::BundleKind::data;
        u32 mode = 0;
        i64 mtime = 0;
        std::vector<u8> content;
    };
    void add_parents(std::string_view path, i64 mtime);
    std::map<std::string, Item, std::less<>> items_;
};

/// The normal form of a guest path: no leading slash, no "." or empty parts. Fails on "..".
std::string guest_path(std::string_view path);

/// The loadable part of an ELF executable: what follows the last segment is cut off, the section table is unlinked.
/// Fails if `content` is not a little-endian x86-64 executable whose segments lie inside it; `path` is for the message.
std::vector<u8> loadable_part(std::vector<u8> content, const std::string& path);

/// The names of an ELF executable's functions (lib/os/symbols.hpp): none if it has no symbol table, or a broken one.
std::vector<u8> symbol_table(const std::vector<u8>& content);

}  // namespace pith::tools
