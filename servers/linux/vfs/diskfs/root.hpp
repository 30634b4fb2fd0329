// SPDX-License-Identifier: MIT
// What is mounted before the first program runs: a file system on a disk as the root, the folder that is shared with the host.
#pragma once

#include <string_view>

#include "servers/linux/errno.hpp"

namespace pith::lx {

class Zone;

/// Mounts the file system on `device` ("/dev/vda1") as the root, in place of the one in memory, before the first program runs: /dev and
/// /proc go where it has such directories, /run and /dev/shm become file systems in memory. A disk that may only be read is mounted so.
/// If that does not work the run ends, with a line that says why.
SysResult<> mount_root(Zone& zone, std::string_view device);

/// Mounts the folder that is shared with the host on the directory `place` ("/share") of the root, before the first program runs: a root
/// in memory gets such a directory, on a disk that has none it is /mnt. If that does not work, a line says why, and the run goes on.
void mount_share(Zone& zone, std::string_view place);

}  // namespace pith::lx
