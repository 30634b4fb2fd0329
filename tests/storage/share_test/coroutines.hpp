// SPDX-License-Identifier: MIT
// The same through lib/fs, as the Linux server uses it: coroutines beside each other, while the server dies.
#pragma once

#include "lib/os/handle.hpp"

namespace pith::test {

/// `signal`: the component's own. Works in the folder "coroutines", which it makes, and removes again.
bool run_coroutines(const Handle<Signal>& signal);

}  // namespace pith::test
