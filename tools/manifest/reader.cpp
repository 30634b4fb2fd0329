// SPDX-License-Identifier: MIT
#include "tools/manifest/reader.hpp"

#include <algorithm>
#include <charconv>

namespace pith::tools {

namespace {

struct Unit {
    std::string_view suffix;
    u64 factor;
};
constexpr Unit kByteUnits[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};
constexpr Unit kTimeUnits[] = {{"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};

std::optional<u64> parse_quantity(std::string_view text, std::span<const Unit> units) {
    u64 number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc{}) return std::nullopt;
    const std::string_view suffix(end, static_cast<usize>(text.data() + text.size() - end));
    for (const Unit& unit : units) {
        if (unit.suffix == suffix && number <= ~u64{0} / unit.factor) return number * unit.factor;
    }
    return std::nullopt;
}

}  // namespace

std::optional<u64> parse_duration(std::string_view text) {
    if (text == "0") return 0;
    return parse_quantity(text, kTimeUnits);
}

std::optional<u64> parse_bytes(std::string_view text) { return parse_quantity(text, kByteUnits); }

void check_name(const std::string& name, const Place& place) {
    const bool fits = !name.empty() && name.size() < 32 &&
                      std::ranges::all_of(
                          name,
                          [](char c) {
                              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                     (c >= '0' && c <= '9') || c == '_' || c == '-';
                          });
    if (!fits)
        fail(kUsage, "{}: '{}' is not a name (1 to 31 of a-z, A-Z, 0-9, '_', '-')", place.text(), name);
}

toml::table parse_toml(const std::string& path, const std::string& shown) {
    const std::vector<u8> content = read_file(path);
    try {
        return toml::parse(std::string_view(reinterpret_cast<const char*>(content.data()), content.size()),
                           shown);
    } catch (const toml::parse_error& error) {
        fail(kUsage, "{}:{}: {}", shown, error.source().begin.line, error.description());
    }
}

const toml::node* TableReader::find(std::string_view key) {
    known_.emplace(key);
    return table_.get(key);
}

std::string TableReader::called(std::string_view key) const {
    return where_.empty() ? std::string(key) : std::format("[{}] {}", where_, key);
}

const toml::node& TableReader::require(std::string_view key) {
    const toml::node* node = find(key);
    if (node == nullptr) error(place(), "{} is missing", called(key));
    return *node;
}

std::string TableReader::string(std::string_view key, std::optional<std::string> otherwise) {
    if (otherwise && !has(key)) {
        find(key);
        return *otherwise;
    }
    const toml::node& node = require(key);
    const auto value = node.value_exact<std::string>();
    if (!value) error(place_of(node), "{} must be a string", called(key));
    return *value;
}

bool TableReader::boolean(std::string_view key, bool otherwise) {
    const toml::node* node = find(key);
    if (node == nullptr) return otherwise;
    const auto value = node->value_exact<bool>();
    if (!value) error(place_of(*node), "{} must be true or false", called(key));
    return *value;
}

u64 TableReader::number(std::string_view key, u64 least, u64 most, std::optional<u64> otherwise) {
    if (otherwise && !has(key)) {
        find(key);
        return *otherwise;
    }
    const toml::node& node = require(key);
    const auto value = node.value_exact<i64>();
    if (!value || *value < 0 || static_cast<u64>(*value) < least || static_cast<u64>(*value) > most) {
        error(place_of(node), "{} must be a number from {} to {}", called(key), least, most);
    }
    return static_cast<u64>(*value);
}

u64 TableReader::bytes(std::string_view key, std::optional<std::string> otherwise) {
    const std::string text = string(key, std::move(otherwise));
    const auto value = parse_bytes(text);
    if (!value) error(place_of(*find(key)), "{}: '{}' is not a size such as \"512K\"", called(key), text);
    return *value;
}

u64 TableReader::duration(std::string_view key, std::string_view otherwise) {
    const std::string text = string(key, std::string(otherwise));
    const auto value = parse_duration(text);
    if (!value) error(place_of(*find(key)), "{}: '{}' is not a time such as \"10ms\"", called(key), text);
    return *value;
}

usize TableReader::choice(std::string_view key, std::initializer_list<std::string_view> choices,
                          std::string_view otherwise) {
    const std::string text = string(key,
                                    otherwise.empty() ? std::nullopt : std::optional(std::string(otherwise)));
    const auto found = std::ranges::find(choices, text);
    if (found == choices.end()) {
        std::string list;
        for (const std::string_view choice : choices)
            list += std::format("{}\"{}\"", list.empty() ? "" : ", ", choice);
        error(place_of(*find(key)), "{}: '{}' is not one of {}", called(key), text, list);
    }
    return static_cast<usize>(found - choices.begin());
}

std::vector<std::pair<std::string, Place>> TableReader::strings(std::string_view key) {
    std::vector<std::pair<std::string, Place>> result;
    const toml::array* list = array(key);
    if (list == nullptr) return result;
    for (const toml::node& node : *list) {
        const auto value = node.value_exact<std::string>();
        if (!value) error(place_of(node), "{} must hold strings", called(key));
        result.emplace_back(*value, place_of(node));
    }
    return result;
}

const toml::table* TableReader::table(std::string_view key) {
    const toml::node* node = find(key);
    if (node != nullptr && !node->is_table()) error(place_of(*node), "{} must be a table", called(key));
    return node == nullptr ? nullptr : node->as_table();
}

const toml::array* TableReader::array(std::string_view key) {
    const toml::node* node = find(key);
    if (node != nullptr && !node->is_array()) error(place_of(*node), "{} must be an array", called(key));
    return node == nullptr ? nullptr : node->as_array();
}

void TableReader::finish() const {
    for (const auto& [key, node] : table_) {
        if (!known_.contains(key.str())) {
            error({file_, key.source().begin.line}, "unknown key: {}", called(key.str()));
        }
    }
}

}  // namespace pith::tools
