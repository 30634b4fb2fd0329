// SPDX-License-Identifier: MIT
#include "tools/trace_check/json.hpp"

#include <cstdlib>

#include "tools/base/host.hpp"

namespace pith::tools {

/// Recursive descent; the depth is bounded.
class JsonParser {
  public:
    explicit JsonParser(std::string_view text) : text_(text) {}

    Json document() {
        Json value = parse_value(0);
        skip_space();
        if (at_ != text_.size()) wrong("more behind the end");
        return value;
    }

  private:
    static constexpr u32 kDeepest = 64;

    [[noreturn]] void wrong(const char* what) const { fail(1, "JSON, byte {}: {}", at_, what); }
    void skip_space() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) at_++;
    }
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char wanted) {
        skip_space();
        if (peek() != wanted) return false;
        at_++;
        return true;
    }
    void expect(char wanted, const char* what) {
        if (!take(wanted)) wrong(what);
    }

    Json parse_value(u32 depth) {
        if (depth > kDeepest) wrong("too deep");
        skip_space();
        switch (peek()) {
            case '{': return parse_object(depth);
            case '[': return parse_array(depth);
            case '"': {
                Json value;
                value.kind_ = Json::Kind::string;
                value.text_ = parse_string();
                return value;
            }
            case 't': return parse_word("true", Json::Kind::boolean, 1);
            case 'f': return parse_word("false", Json::Kind::boolean, 0);
            case 'n': return parse_word("null", Json::Kind::null, 0);
            default: return parse_number();
        }
    }

    Json parse_word(std::string_view word, Json::Kind kind, double number) {
        if (!text_.substr(at_).starts_with(word)) wrong("no value");
        at_ += word.size();
        Json value;
        value.kind_ = kind;
        value.number_ = number;
        return value;
    }

    void digits() {
        const usize begin = at_;
        while (peek() >= '0' && peek() <= '9') at_++;
        if (at_ == begin) wrong("no digit");
    }

    Json parse_number() {
        const usize begin = at_;
        if (peek() == '-') at_++;
        if (peek() == '0') at_++;
        else digits();
        if (peek() == '.') {
            at_++;
            digits();
        }
        if (peek() == 'e' || peek() == 'E') {
            at_++;
            if (peek() == '+' || peek() == '-') at_++;
            digits();
        }
        Json value;
        value.kind_ = Json::Kind::number;
        value.number_ = std::strtod(std::string(text_.substr(begin, at_ - begin)).c_str(), nullptr);
        return value;
    }

    std::string parse_string() {
        std::string out;
        for (at_++; peek() != '"'; at_++) {
            if (static_cast<u8>(peek()) < 0x20)
                wrong("a string that does not end, or has a control character");
            if (peek() != '\\') {
                out += peek();
                continue;
            }
            at_++;
            constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
            if (peek() == 'u') {
                for (int digit = 0; digit < 4; digit++) {
                    at_++;
                    if (!std::string_view("0123456789abcdefABCDEF").contains(peek())) wrong("a bad \\u");
                }
                out += '?';
            } else if (const usize which = kEscapes.find(peek()); which != kEscapes.npos) {
                out += kMeanings[which];
            } else {
                wrong("a bad escape");
            }
        }
        at_++;
        return out;
    }

    Json parse_array(u32 depth) {
        Json value;
        value.kind_ = Json::Kind::array;
        at_++;
        if (take(']')) return value;
        do { value.elements_.push_back(parse_value(depth + 1)); } while (take(','));
        expect(']', "no end of the array");
        return value;
    }

    Json parse_object(u32 depth) {
        Json value;
        value.kind_ = Json::Kind::object;
        at_++;
        if (take('}')) return value;
        do {
            skip_space();
            if (peek() != '"') wrong("no key");
            value.keys_.push_back(parse_string());
            expect(':', "no colon");
            value.elements_.push_back(parse_value(depth + 1));
        } while (take(','));
        expect('}', "no end of the object");
        return value;
    }

    std::string_view text_;
    usize at_ = 0;
};

Json Json::parse(std::string_view text) { return JsonParser(text).document(); }

const Json* Json::find(std::string_view key) const {
    for (usize i = 0; i < keys_.size(); i++) {
        if (keys_[i] == key) return &elements_[i];
    }
    return nullptr;
}

const Json& Json::operator[](std::string_view key) const {
    static const Json nothing;
    const Json* found = find(key);
    return found != nullptr ? *found : nothing;
}

}  // namespace pith::tools
