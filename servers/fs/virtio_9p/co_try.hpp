// SPDX-License-Identifier: MIT
// PITH_TRY and PITH_CHECK in coroutines that return a Result.
#pragma once

#include "lib/base/result.hpp"

#define PITH_CO_TRY(...)                                        \
    ({                                                          \
        auto pith_result_ = (__VA_ARGS__);                      \
        if (!pith_result_.ok()) co_return pith_result_.error(); \
        std::move(pith_result_).value();                        \
    })
#define PITH_CO_CHECK(...)                                                                         \
    do {                                                                                           \
        if (auto pith_result_ = (__VA_ARGS__); !pith_result_.ok()) co_return pith_result_.error(); \
    } while (false)
