// SPDX-License-Identifier: MIT
// Makes what one run boots from: the system's bundle with a segment behind it that holds run/config (protocol/run.hpp)
// and the added files. It lives in an anonymous file that QEMU inherits, so nothing is left behind, however we end.
#pragma once

#include "tools/runner/options.hpp"

namespace pith::tools {

/// Which of our descriptors are terminals, and the terminal's size.
struct Streams {
    bool tty[3] = {};
    u16 rows = 24;
    u16 columns = 80;
};

/// A descriptor of the anonymous file.
int make_initrd(const Options& options, const Streams& streams);

}  // namespace pith::tools
