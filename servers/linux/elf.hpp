// SPDX-License-Identifier: MIT
// Reading ELF programs: headers are checked here, once, and nothing else believes a file. Pure: no memory, no files.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "servers/linux/errno.hpp"

namespace pith::lx {

/// Reads bytes of the file; false: they are not there.
class ElfReader {
  public:
    virtual bool read(u64 offset, void* to, usize size) = 0;
    virtual u64 size() const = 0;

  protected:
    ~ElfReader() = default;
};

struct ElfSegment {
    u64 address = 0;  ///< before the bias is added
    u64 offset = 0;
    u64 file_size = 0;
    u64 memory_size = 0;
    u8 prot = 0;  ///< Access bits
};

struct ElfImage {
    bool position_independent = false;
    bool executable_stack = false;
    u64 entry = 0;
    u64 header_address = 0;  ///< of the program headers in memory; 0: they are in no segment
    u16 header_count = 0;
    u16 header_size = 0;
    u64 low = 0, high = 0;  ///< what the segments span, page aligned
    u64 alignment = 0;
    std::vector<ElfSegment> segments;
    bool has_interpreter = false;
    std::string interpreter;  ///< may be empty, as a name that nobody has
};

inline constexpr usize kElfHeaderSize = 64;

/// ENOEXEC: not an x86-64 ELF program, cut short, or malformed. EIO: its interpreter's name is outside the file.
SysResult<ElfImage> parse_elf(ElfReader& file);

struct Script {
    std::string interpreter;
    std::string argument;  ///< empty: none
};
/// The first line of a `#!` file, of which `head` is the beginning. ENOEXEC: it is none.
SysResult<Script> parse_script(std::span<const u8> head);

}  // namespace pith::lx
