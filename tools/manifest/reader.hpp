// SPDX-License-Identifier: MIT
// A TOML table that is read key by key: each value is checked for its type and unit, and what was not asked for by the
// end is an unknown key. Every error names file and line.
#pragma once

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <toml++/toml.h>

#include "tools/base/host.hpp"
#include "tools/manifest/manifest.hpp"

namespace pith::tools {

/// Parses a file; fails with its first syntax error.
toml::table parse_toml(const std::string& path, const std::string& shown);

class TableReader {
  public:
    TableReader(const toml::table& table, std::string file, std::string where)
        : table_(table), file_(std::move(file)), where_(std::move(where)) {}

    Place place() const { return place_of(table_); }
    Place place_of(const toml::node& node) const { return {file_, node.source().begin.line}; }
    /// The node under `key`, or null; it counts as known from now on.
    const toml::node* find(std::string_view key);
    bool has(std::string_view key) const { return table_.contains(key); }

    std::string string(std::string_view key, std::optional<std::string> otherwise = {});
    bool boolean(std::string_view key, bool otherwise);
    u64 number(std::string_view key, u64 least, u64 most, std::optional<u64> otherwise = {});
    u64 bytes(std::string_view key, std::optional<std::string> otherwise = {});  ///< "512K", "2M"
    u64 duration(std::string_view key, std::string_view otherwise);              ///< "10ms", in nanoseconds
    /// A string that is one of `choices`: its index.
    usize choice(std::string_view key, std::initializer_list<std::string_view> choices,
                 std::string_view otherwise);
    /// The strings of an array (absent: none).
    std::vector<std::pair<std::string, Place>> strings(std::string_view key);
    /// A table below this one (absent: null).
    const toml::table* table(std::string_view key);
    const toml::array* array(std::string_view key);

    /// Fails if there is a key that nobody asked for.
    void finish() const;

    template <typename... Arguments>
    [[noreturn]] void error(const Place& place, std::format_string<Arguments...> format,
                            Arguments&&... arguments) const {
        fail(kUsage, "{}: {}", place.text(), std::format(format, std::forward<Arguments>(arguments)...));
    }
    /// "memory" as "[needs] memory", for messages.
    std::string called(std::string_view key) const;

  private:
    const toml::node& require(std::string_view key);

    const toml::table& table_;
    const std::string file_;
    const std::string where_;
    std::set<std::string, std::less<>> known_;
};

/// A name of a component or protocol: letters, digits, '_' and '-', at most 31. Fails otherwise.
void check_name(const std::string& name, const Place& place);

/// "10ms" in nanoseconds, "512K" in bytes; nothing if it is not one.
std::optional<u64> parse_duration(std::string_view text);
std::optional<u64> parse_bytes(std::string_view text);

}  // namespace pith::tools
