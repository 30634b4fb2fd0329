// SPDX-License-Identifier: MIT
// Handing a component's new executable from a file to the supervisor (docs/recovery.md: updates).
#pragma once

#include <string>

#include "servers/linux/vfs/async.hpp"

namespace pith::lx {

class Thread;

/// Updates component `name` with the ELF file at `path`. ENOEXEC: it is no such file; EBUSY: an update of it is on trial; others as open and
/// read have them.
Task<SysResult<>> update_service(Thread& thread, std::string name, std::string path);

}  // namespace pith::lx
