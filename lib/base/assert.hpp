// SPDX-License-Identifier: MIT
// PITH_ASSERT(condition): states an invariant of ours (never one of what a peer sent); checked when the build
// has PITH_ASSERTS. Whoever links this defines pith::assertion_failed.
#pragma once

namespace pith {

/// Reports "file:line: condition" and does not return.
[[noreturn]] void assertion_failed(const char* text);

#ifdef PITH_ASSERTS
inline constexpr bool kAsserts = true;
#else
inline constexpr bool kAsserts = false;
#endif

}  // namespace pith

#define PITH_STRINGIFY2(x) #x
#define PITH_STRINGIFY(x) PITH_STRINGIFY2(x)
#define PITH_ASSERT(...)                                                                           \
    do {                                                                                           \
        if constexpr (::pith::kAsserts) {                                                          \
            if (!(__VA_ARGS__))                                                                    \
                ::pith::assertion_failed(__FILE__ ":" PITH_STRINGIFY(__LINE__) ": " #__VA_ARGS__); \
        }                                                                                          \
    } while (false)
