// SPDX-License-Identifier: MIT
// Devices by their number: null, zero, full, random, urandom, kmsg, the terminals, and the three streams of
// `./pith` (major 240); block devices are in block_file.hpp.
#pragma once

#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

inline constexpr u32 kStreamMajor = 240;

/// ENXIO: there is no such device.
Async<Ref<File>> open_device(Thread& thread, const Path& path, u32 flags);

class TmpFs;
/// Fills /dev.
SysResult<> make_devices(TmpFs& file_system);

}  // namespace pith::lx
