// SPDX-License-Identifier: MIT
// An archive that Linux takes as its first root file system: cpio, format "newc"
// (Documentation/driver-api/early-userspace/buffer-format.rst).
#pragma once

#include <string>
#include <string_view>

#include "abi/types.hpp"

namespace pith::tools {

class CpioArchive {
  public:
    /// Paths have no '/' in front, and the directories that they name come before them. `mode`: the permissions.
    void add_directory(std::string_view path);
    void add_file(std::string_view path, std::string_view content, u32 mode = 0755);

    /// The archive with its end.
    std::string finish() &&;

  private:
    void add(std::string_view path, std::string_view content, u32 mode);
    std::string bytes_;
    u32 inode_ = 0;
};

}  // namespace pith::tools
