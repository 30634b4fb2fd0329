// SPDX-License-Identifier: MIT
// Callback<R(Args...)>: a function and up to three words of captured state, held in place. Never allocates.
#pragma once

#include <new>
#include <type_traits>
#include <utility>

#include "abi/types.hpp"

namespace pith {

template <typename Signature>
class Callback;

template <typename R, typename... Args>
class Callback<R(Args...)> {
  public:
    Callback() = default;
    template <typename F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, Callback> && std::is_trivially_copyable_v<F> &&
                 sizeof(F) <= 24 && std::is_invocable_r_v<R, F&, Args...>)
    Callback(F function) {  // NOLINT(google-explicit-constructor): lambdas are passed where one is wanted
        ::new (static_cast<void*>(state_)) F(function);
        invoke_ = [](void* state, Args... args) -> R {
            return (*static_cast<F*>(state))(std::forward<Args>(args)...);
        };
    }
    explicit operator bool() const { return invoke_ != nullptr; }
    R operator()(Args... args) { return invoke_(state_, std::forward<Args>(args)...); }

  private:
    alignas(8) unsigned char state_[24] = {};
    R (*invoke_)(void*, Args...) = nullptr;
};

}  // namespace pith
