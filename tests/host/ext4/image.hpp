// SPDX-License-Identifier: MIT
// Images by Debian's mke2fs, and what e2fsck says of them.
#pragma once

#include <string>
#include <vector>

#include "abi/types.hpp"

namespace pith::ext4::test {

/// `mke2fs -t ext4 OPTIONS` of `blocks` blocks of 1024 bytes (kilobytes). Made once for each set of options.
std::vector<u8> make_image(u64 kilobytes, const std::string& options = "");
/// What `e2fsck OPTIONS` finds wrong: empty when it ends with 0 (or, with "-fy", 1: corrected). The image may
/// be changed by it. `said` receives its output.
std::string e2fsck(std::vector<u8>& image, const std::string& options, std::string* said = nullptr);
/// "" when nothing is wrong with it.
inline std::string check(std::vector<u8> image) { return e2fsck(image, "-fn"); }
/// Output of `debugfs -R REQUEST` (with -w when `write`).
std::string debugfs(std::vector<u8>& image, const std::string& request, bool write = false);
/// A host command's output; `status` receives its exit status.
std::string run(const std::string& command, int& status);

/// A file of its own for each process.
std::string scratch(const std::string& name);

}  // namespace pith::ext4::test
