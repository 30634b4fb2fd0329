// SPDX-License-Identifier: MIT
// Which functions of a program can run once it is somewhere: what its object files refer to, section by section, as a linker
// sees it that drops what nothing refers to.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tools/measure/elf_image.hpp"

namespace pith::tools {

/// Mangled names of all functions in sections that can be reached by references from the sections of that name (or that
/// followed by a dot and more), through code and data. Each function has to be in a section of its own (-ffunction-sections) for the answer to be exact; it is
/// never too small. Fails if there is no such section.
std::set<std::string> reachable_functions(const std::vector<ElfImage>& objects, const std::string& from);

}  // namespace pith::tools
