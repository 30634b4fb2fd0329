// SPDX-License-Identifier: MIT
// Counting lines of code.
#pragma once

#include <string_view>

#include "abi/types.hpp"

namespace pith::tools {

/// Lines of a C++ or assembler source with something on them besides comments.
u64 lines_of_code(std::string_view source);

}  // namespace pith::tools
