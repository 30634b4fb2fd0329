// SPDX-License-Identifier: MIT
// Sizes of the code in a 64-bit x86 ELF file, executable or object (System V ABI, chapter 4).
#pragma once

#include <string>
#include <vector>

#include "abi/types.hpp"

namespace pith::tools {

struct ElfFunction {
    std::string name;  ///< mangled
    u64 size;          ///< bytes
};

class ElfImage {
  public:
    /// Reads the file. Fails when it is no such file, or is damaged.
    explicit ElfImage(const std::string& path);
    /// Bytes of all sections with code.
    u64 code_size() const { return code_size_; }
    /// The functions that it defines.
    const std::vector<ElfFunction>& functions() const { return functions_; }

  private:
    u64 code_size_ = 0;
    std::vector<ElfFunction> functions_;
};

}  // namespace pith::tools
