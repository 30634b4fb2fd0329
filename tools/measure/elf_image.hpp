// SPDX-License-Identifier: MIT
// Sizes of the code in a 64-bit x86 ELF file, executable or object, and what refers to what in an object (System V ABI,
// chapter 4).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "abi/types.hpp"

namespace pith::tools {

struct ElfFunction {
    std::string name;  ///< mangled
    u64 address;       ///< in an object: from the start of its section
    u64 size;          ///< bytes
    u32 section;       ///< its index
};

/// A relocation: something in a section refers to a symbol.
struct ElfReference {
    u32 from;
    u32 to;            ///< the section that defines it; 0: none of this file
    std::string name;  ///< mangled; may be empty if `to` is not 0
};

class ElfImage {
  public:
    /// Reads the file. Fails when it is no such file, or is damaged.
    explicit ElfImage(const std::string& path);
    /// Bytes of all sections with code.
    u64 code_size() const { return code_size_; }
    /// The functions that it defines.
    const std::vector<ElfFunction>& functions() const { return functions_; }
    /// Names of the sections, by index.
    const std::vector<std::string>& sections() const { return section_names_; }
    /// Symbols that it defines for others too, and their sections.
    const std::map<std::string, u32>& definitions() const { return definitions_; }
    const std::vector<ElfReference>& references() const { return references_; }

  private:
    u64 code_size_ = 0;
    std::vector<ElfFunction> functions_;
    std::vector<std::string> section_names_;
    std::map<std::string, u32> definitions_;
    std::vector<ElfReference> references_;
};

}  // namespace pith::tools
