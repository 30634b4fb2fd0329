// SPDX-License-Identifier: MIT
// Work on files while the server dies again and again: everything that was answered is there, once.
#pragma once

#include "tests/storage/share_pattern.hpp"
#include "tests/storage/share_test/client.hpp"

namespace pith::test {

/// In the folder "load", which it makes. Leaves the file "expected" for the host.
bool run_load(Share& share, Fs::FileId root);

}  // namespace pith::test
