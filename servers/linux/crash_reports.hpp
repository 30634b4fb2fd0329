// SPDX-License-Identifier: MIT
// Reports of components that crashed: the supervisor has the last ones. They are shown as /proc/pith/crashes, and on a root that is on a disk each
// is added to /var/log/pith/crashes.
#pragma once

#include <string>

#include "abi/types.hpp"

namespace pith::lx {

class Zone;

/// The reports with a number of at least `sequence`, oldest first, an empty line between two; `sequence` becomes the next one's.
std::string crash_reports(Zone& zone, u64& sequence);

/// From now on, whenever the log tells of a crash, its report is added to the file. If that does not work, a line in the log says why.
void keep_crash_reports(Zone& zone);

}  // namespace pith::lx
