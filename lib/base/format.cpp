// SPDX-License-Identifier: MIT
// The pattern interpreter of format.hpp.
#include "lib/base/format.hpp"

namespace pith::detail {

void format_arguments(TextWriter& out, std::string_view pattern, std::span<const FormatArgument> arguments) {
    usize next = 0;
    for (usize i = 0; i < pattern.size(); i++) {
        const usize close = pattern[i] == '{' ? pattern.find('}', i) : std::string_view::npos;
        if (close == std::string_view::npos || next >= arguments.size()) {
            out.put(pattern[i]);
            continue;
        }
        unsigned width = 0;
        unsigned base = 10;
        char pad = ' ';
        for (usize k = i + 1; k < close; k++) {
            const char c = pattern[k];
            if (c == 'x') base = 16;
            else if (c == '0' && width == 0) pad = '0';
            else if (c >= '0' && c <= '9') width = width * 10 + static_cast<unsigned>(c - '0');
        }
        const FormatArgument& argument = arguments[next++];
        switch (argument.kind) {
            case FormatArgument::Kind::number: out.number(argument.value, base, width, pad); break;
            case FormatArgument::Kind::negative: out.number(argument.value, base, width, pad, true); break;
            case FormatArgument::Kind::character: out.put(static_cast<char>(argument.value)); break;
            case FormatArgument::Kind::text:
                for (usize k = argument.text_value.size(); k < width; k++) out.put(' ');
                out.put(argument.text_value);
                break;
        }
        i = close;
    }
}

}  // namespace pith::detail
