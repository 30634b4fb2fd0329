// SPDX-License-Identifier: MIT
// Numbers to text.
#include "servers/linux/vfs/format.hpp"

namespace pith::lx {

namespace {

std::string digits(u64 value, u32 base, u32 width) {
    char buffer[65];
    char* at = buffer + sizeof buffer;
    do {
        *--at = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (buffer + sizeof buffer - at < static_cast<i64>(width) && at != buffer) *--at = '0';
    return std::string(at, static_cast<usize>(buffer + sizeof buffer - at));
}

}  // namespace

std::string decimal(u64 value) { return digits(value, 10, 0); }

std::string signed_decimal(i64 value) {
    return value < 0 ? "-" + decimal(u64{0} - static_cast<u64>(value)) : decimal(static_cast<u64>(value));
}

std::string hexadecimal(u64 value, u32 width) { return digits(value, 16, width); }

Text& Text::right(u64 number, u32 width, char fill) {
    const std::string text = decimal(number);
    if (text.size() < width) value_.append(width - text.size(), fill);
    value_ += text;
    return *this;
}

Text& Text::left(std::string_view part, u32 width) {
    value_ += part;
    if (part.size() < width) value_.append(width - part.size(), ' ');
    return *this;
}

Text& Text::octal(u64 number, u32 width) { return value_ += digits(number, 8, width), *this; }

bool parse_decimal(std::string_view text, u64& value) {
    if (text.empty()) return false;
    u64 result = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return false;
        if (__builtin_mul_overflow(result, u64{10}, &result)) return false;
        if (__builtin_add_overflow(result, static_cast<u64>(c - '0'), &result)) return false;
    }
    value = result;
    return true;
}

}  // namespace pith::lx
