// SPDX-License-Identifier: MIT
#include "tests/network/ethernet_test/harness.hpp"

namespace pith::test {

Context context;

}  // namespace pith::test
