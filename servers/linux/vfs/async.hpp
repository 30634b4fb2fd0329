// SPDX-License-Identifier: MIT
// Async<T>: what an operation that may have to wait gives: a SysResult that is there already, or a Task that will
// give it. Operations are ordinary functions that answer at once when they can, and start a coroutine (a frame on
// the heap) only when they must wait:
//
//   Async<usize> read(...) { if (readable()) return take(); if (nonblocking) return Errno::EAGAIN; return slow_read(...); }
//
// A caller looks with ready(); in a coroutine, PITH_AWAIT(expression) gives the SysResult in either case.
#pragma once

#include <utility>
#include <variant>

#include "lib/os/task.hpp"
#include "servers/linux/errno.hpp"

namespace pith::lx {

using pith::Task;

template <typename T = void>
class [[nodiscard]] Async {
  public:
    using Result = SysResult<T>;
    using Pending = Task<Result>;

    Async()
        requires std::is_void_v<T>
        : state_(Result{}) {}
    Async(Errno error) : state_(Result(error)) {}        // NOLINT(google-explicit-constructor)
    Async(Result result) : state_(std::move(result)) {}  // NOLINT(google-explicit-constructor)
    Async(Pending task) : state_(std::move(task)) {}     // NOLINT(google-explicit-constructor)
    template <typename U>
        requires(!std::is_void_v<T> && std::is_convertible_v<U, T> && !std::is_convertible_v<U, Errno> &&
                 !std::is_same_v<std::remove_cvref_t<U>, Result> &&
                 !std::is_same_v<std::remove_cvref_t<U>, Async>)
    Async(U&& value)
        : state_(Result(static_cast<T>(std::forward<U>(value)))) {}  // NOLINT(google-explicit-constructor)

    /// True if take() has the result now.
    bool ready() const { return state_.index() == 0; }
    /// The result of one that is ready.
    Result take() { return std::move(*std::get_if<0>(&state_)); }
    /// The coroutine of one that is not.
    Pending task() { return std::move(*std::get_if<1>(&state_)); }

  private:
    std::variant<Result, Pending> state_;
};

}  // namespace pith::lx

/// In a coroutine: the SysResult of an Async.
#define PITH_AWAIT(...)                                                         \
    ({                                                                          \
        auto pith_async_ = (__VA_ARGS__);                                       \
        pith_async_.ready() ? pith_async_.take() : co_await pith_async_.task(); \
    })
