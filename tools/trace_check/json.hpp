// SPDX-License-Identifier: MIT
// A JSON document in memory (RFC 8259), strict: for checking what other tools write.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "abi/types.hpp"

namespace pith::tools {

class Json {
  public:
    enum class Kind : u8 { null, boolean, number, string, array, object };

    /// Parses a whole document; fails with status 1 and the place.
    static Json parse(std::string_view text);

    Kind kind() const { return kind_; }
    bool boolean() const { return number_ != 0; }
    double number() const { return number_; }
    const std::string& string() const { return text_; }
    /// Elements of an array; values of an object, in the order of the document.
    const std::vector<Json>& elements() const { return elements_; }
    /// Member of an object; a null value where there is none.
    const Json& operator[](std::string_view key) const;
    bool has(std::string_view key) const { return find(key) != nullptr; }

  private:
    friend class JsonParser;
    const Json* find(std::string_view key) const;
    Kind kind_ = Kind::null;
    double number_ = 0;
    std::string text_;
    std::vector<std::string> keys_;
    std::vector<Json> elements_;
};

}  // namespace pith::tools
