// SPDX-License-Identifier: MIT
// A file system on a disk as the root.
#pragma once

#include <string_view>

#include "servers/linux/errno.hpp"

namespace pith::lx {

class Zone;

/// Mounts the file system on `device` ("/dev/vda1") as the root, in place of the one in memory, before the first program runs: /dev and
/// /proc go where it has such directories, /run and /dev/shm become file systems in memory. A disk that may only be read is mounted so.
/// If that does not work the run ends, with a line that says why.
SysResult<> mount_root(Zone& zone, std::string_view device);

}  // namespace pith::lx
