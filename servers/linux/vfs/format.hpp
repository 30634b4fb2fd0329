// SPDX-License-Identifier: MIT
// Small text helpers: numbers to text, and a builder for the files of /proc.
#pragma once

#include <string>
#include <string_view>

#include "abi/types.hpp"

namespace pith::lx {

std::string decimal(u64 value);
std::string signed_decimal(i64 value);
/// Lower-case hexadecimal, at least `width` digits.
std::string hexadecimal(u64 value, u32 width = 0);

/// Appends text and numbers: `Text text; text << "Name:\t" << name << "\n";`.
class Text {
  public:
    Text& operator<<(std::string_view part) { return value_ += part, *this; }
    Text& operator<<(const std::string& part) { return value_ += part, *this; }
    Text& operator<<(const char* part) { return value_ += part, *this; }
    Text& operator<<(char part) { return value_ += part, *this; }
    template <typename T>
        requires(__is_integral(T))
    Text& operator<<(T number) {
        if constexpr (static_cast<T>(-1) < T(0)) value_ += signed_decimal(number);
        else value_ += decimal(number);
        return *this;
    }
    /// Right-justified in `width` columns.
    Text& right(u64 number, u32 width, char fill = ' ');
    /// Left-justified.
    Text& left(std::string_view part, u32 width);
    Text& hex(u64 number, u32 width = 0) { return value_ += hexadecimal(number, width), *this; }
    Text& octal(u64 number, u32 width = 0);
    std::string take() { return std::move(value_); }
    const std::string& string() const { return value_; }

  private:
    std::string value_;
};

/// A number without sign, decimal; false: it is none.
bool parse_decimal(std::string_view text, u64& value);

}  // namespace pith::lx
