// SPDX-License-Identifier: MIT
// The kernel log: the system's log (protocol/log.hpp) as /dev/kmsg and /proc/pith/log show it.
#pragma once

#include <string>

#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

class Zone;

Async<Ref<File>> open_kernel_log(Thread& thread, const Path& path, u32 flags);
/// Appends a record; "<N>" at the start is its severity.
void write_kernel_log(Zone& zone, std::string_view text);
/// /proc/pith/log: a line a record.
std::string system_log_text(Zone& zone);

}  // namespace pith::lx
