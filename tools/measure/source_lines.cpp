// SPDX-License-Identifier: MIT
#include "tools/measure/source_lines.hpp"

namespace pith::tools {

u64 lines_of_code(std::string_view source) {
    enum class In { code, line_comment, comment, text } in = In::code;
    u64 count = 0;
    bool code = false;
    for (usize at = 0; at < source.size(); ++at) {
        const std::string_view rest = source.substr(at);
        const char c = source[at];
        if (c == '\n') {
            if (code) ++count;
            code = false;
            if (in != In::comment) in = In::code;
        } else if (in == In::comment) {
            if (!rest.starts_with("*/")) continue;
            in = In::code;
            ++at;
        } else if (in == In::text) {
            if (c == '\\') ++at;
            else if (c == '"') in = In::code;
        } else if (in == In::code && rest.starts_with("//")) {
            in = In::line_comment;
        } else if (in == In::code && rest.starts_with("/*")) {
            in = In::comment;
            ++at;
        } else if (in == In::code && c != ' ' && c != '\t') {
            code = true;
            if (c == '"') in = In::text;
        }
    }
    return count + (code ? 1 : 0);
}

}  // namespace pith::tools
