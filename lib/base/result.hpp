// SPDX-License-Identifier: MIT
// Result<T>: a value or an Error. PITH_TRY unwraps one or returns its error from the enclosing function.
#pragma once

#include <new>
#include <type_traits>
#include <utility>

#include "abi/error.hpp"

namespace pith {

template <typename T = void>
class [[nodiscard]] Result {
  public:
    using Value = T;
    Result(Error error) : error_(error) {}  // NOLINT(google-explicit-constructor): `return Error::x`
    Result(T value) : error_(Error::ok) { ::new (static_cast<void*>(&value_)) T(std::move(value)); }
    // Of a trivial T it is trivial itself, and comes back in registers if it is small enough.
    Result(Result&&) noexcept
        requires std::is_trivially_copyable_v<T>
    = default;
    Result& operator=(Result&&) noexcept
        requires std::is_trivially_copyable_v<T>
    = default;
    ~Result()
        requires std::is_trivially_copyable_v<T>
    = default;
    Result(Result&& other) noexcept : error_(other.error_) {
        if (ok()) ::new (static_cast<void*>(&value_)) T(std::move(other.value_));
    }
    Result& operator=(Result&& other) noexcept {
        if (this != &other) {
            this->~Result();
            ::new (static_cast<void*>(this)) Result(std::move(other));
        }
        return *this;
    }
    ~Result() {
        if (ok()) value_.~T();
    }
    bool ok() const { return error_ == Error::ok; }
    explicit operator bool() const { return ok(); }
    Error error() const { return error_; }
    T& value() & { return value_; }
    const T& value() const& { return value_; }
    T&& value() && { return std::move(value_); }
    T& operator*() & { return value_; }
    T&& operator*() && { return std::move(value_); }
    T* operator->() { return &value_; }
    T value_or(T other) && { return ok() ? std::move(value_) : std::move(other); }

  private:
    Error error_;
    union {
        T value_;
    };
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(error) {}  // NOLINT(google-explicit-constructor): `return Error::x`
    bool ok() const { return error_ == Error::ok; }
    explicit operator bool() const { return ok(); }
    Error error() const { return error_; }

  private:
    Error error_ = Error::ok;
};

}  // namespace pith

/// `auto x = PITH_TRY(f());`: the value of the Result, or return its error.
#define PITH_TRY(...)                                        \
    ({                                                       \
        auto pith_result_ = (__VA_ARGS__);                   \
        if (!pith_result_.ok()) return pith_result_.error(); \
        std::move(pith_result_).value();                     \
    })
/// `PITH_CHECK(f());`: the same for a Result<void>.
#define PITH_CHECK(...)                                                                         \
    do {                                                                                        \
        if (auto pith_result_ = (__VA_ARGS__); !pith_result_.ok()) return pith_result_.error(); \
    } while (false)
