// SPDX-License-Identifier: MIT
// Whether a file system holds what a script has left. On the host.
#pragma once

#include "lib/ext4/file_system.hpp"
#include "tests/storage/ext4/script.hpp"

namespace pith::test {

/// "" if `id` (and all below it) is what the script's `handle` stands for. `seen`: handles to inodes.
std::string compare(ext4::FileSystem& system, ext4::FileId id, const Script& script, u32 handle,
                    std::map<u32, u32>& seen);

}  // namespace pith::test
