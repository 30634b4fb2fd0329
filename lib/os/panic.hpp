// SPDX-License-Identifier: MIT
// The end of a component on a broken invariant of its own. Never for what a peer sent.
#pragma once

#include <string_view>

namespace pith {

/// Reports `message` to the parent (root: to the debug console) and ends the component.
[[noreturn]] void panic(std::string_view message);
/// Ends the component in order. Status 0: as it should.
[[noreturn]] void exit_component(int status);

}  // namespace pith

#define PITH_STRING_(x) #x
#define PITH_STRING(x) PITH_STRING_(x)
#ifdef PITH_ASSERTS
/// An invariant; compiled out of builds without asserts.
#define PITH_ASSERT(condition)                                                                      \
    do {                                                                                            \
        if (!(condition)) ::pith::panic(__FILE__ ":" PITH_STRING(__LINE__) ": assert " #condition); \
    } while (false)
#else
#define PITH_ASSERT(condition) static_cast<void>(sizeof((condition) ? 1 : 0))
#endif
