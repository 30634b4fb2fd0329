// SPDX-License-Identifier: MIT
// A small text formatter: `format_to(buffer, "{} of {x}", a, b)`. "{}" takes the next argument (integers in
// decimal, text, bool, char, pointers in hexadecimal), "{x}" an integer in hexadecimal, "{NN}" and "{0NN}"
// right-aligned to NN columns with blanks or zeros (also with x: "{08x}"). Output that does not fit is cut
// off. Never allocates.
#pragma once

#include <concepts>
#include <span>
#include <string_view>
#include <type_traits>

#include "abi/types.hpp"

namespace pith {

/// Characters in a fixed place; what does not fit is dropped.
class TextWriter {
  public:
    explicit TextWriter(std::span<char> out) : out_(out) {}
    void put(char c) {
        if (used_ < out_.size()) out_[used_++] = c;
    }
    void put(std::string_view text) {
        for (const char c : text) put(c);
    }
    /// An unsigned number in base 10 or 16, padded on the left.
    void number(u64 value, unsigned base, unsigned width, char pad, bool negative = false) {
        char digits[24];
        usize n = 0;
        do {
            digits[n++] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value != 0);
        const usize length = n + (negative ? 1 : 0);
        if (negative && pad == '0') put('-');
        for (usize i = length; i < width; i++) put(pad);
        if (negative && pad != '0') put('-');
        while (n > 0) put(digits[--n]);
    }
    std::string_view text() const { return {out_.data(), used_}; }

  private:
    std::span<char> out_;
    usize used_ = 0;
};

namespace detail {

/// One argument, without its type.
struct FormatArgument {
    enum class Kind : u8 { number, negative, text, character } kind;
    u64 value = 0;
    std::string_view text_value = {};

    template <typename T>
    static FormatArgument of(const T& argument) {
        if constexpr (std::same_as<T, bool>) {
            return {Kind::text, 0, argument ? "true" : "false"};
        } else if constexpr (std::same_as<T, char>) {
            return {Kind::character, static_cast<u8>(argument)};
        } else if constexpr (std::is_enum_v<T>) {
            return {Kind::number, static_cast<u64>(argument)};
        } else if constexpr (std::signed_integral<T>) {
            if (argument < 0) return {Kind::negative, 0 - static_cast<u64>(argument)};
            return {Kind::number, static_cast<u64>(argument)};
        } else if constexpr (std::unsigned_integral<T>) {
            return {Kind::number, argument};
        } else if constexpr (std::convertible_to<const T&, std::string_view>) {
            return {Kind::text, 0, std::string_view(argument)};
        } else {
            static_assert(std::is_pointer_v<T>);
            return {Kind::number, reinterpret_cast<u64>(argument)};
        }
    }
};

void format_arguments(TextWriter& out, std::string_view pattern, std::span<const FormatArgument> arguments);

}  // namespace detail

/// Adds to what `out` has.
template <typename... T>
void format_append(TextWriter& out, std::string_view pattern, const T&... arguments) {
    const detail::FormatArgument list[] = {detail::FormatArgument::of(arguments)...,
                                           {detail::FormatArgument::Kind::number}};
    detail::format_arguments(out, pattern, std::span(list, sizeof...(arguments)));
}

/// Writes to `out`; gives the text written.
template <typename... T>
std::string_view format_to(std::span<char> out, std::string_view pattern, const T&... arguments) {
    TextWriter writer(out);
    format_append(writer, pattern, arguments...);
    return writer.text();
}

}  // namespace pith
