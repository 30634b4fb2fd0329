// SPDX-License-Identifier: MIT
// The default root file system of DESIGN section 9: what is below systems/rootfs, the guest programs that the build
// made, busybox with a link for each applet, and the empty directories that a Linux system has.
#pragma once

#include <string>

#include "tools/bundle/builder.hpp"

namespace pith::tools {

/// Adds it to `bundle`. `skeleton` and `programs` are host directories ("" leaves one out), `busybox` a host file that
/// is run with --list-full to learn its applets.
void add_root_file_system(BundleBuilder& bundle, const std::string& skeleton, const std::string& programs,
                          const std::string& busybox);

}  // namespace pith::tools
