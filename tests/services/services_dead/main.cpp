// SPDX-License-Identifier: MIT
#include "lib/os/panic.hpp"

int main() { pith::panic("dies at once"); }
