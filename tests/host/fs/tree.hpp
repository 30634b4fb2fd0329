// SPDX-License-Identifier: MIT
// A file system in memory: what protocol/fs.hpp's operations do to it. The tests' server has one, and what is expected is another.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "abi/error.hpp"
#include "protocol/fs.hpp"

namespace pith::fs_test {

inline constexpr u32 kFile = 0100000, kDirectory = 0040000, kLink = 0120000, kType = 0170000;

struct Node {
    Fs::FileId id;
    u32 mode = 0;
    u32 links = 0;
    u32 user = 0;
    std::string data;  ///< of a link: its target
    std::map<std::string, u64> entries;
    i64 changed = 0;
    bool directory() const { return (mode & kType) == kDirectory; }
};

struct Outcome {
    Error error = Error::ok;
    u64 value = 0;
    Fs::Attributes attributes{};
};

class Tree {
  public:
    Tree();
    /// Carries out a change. `names`: name and other_name; `data`: of a write.
    Outcome apply(const Fs::Submission& change, std::string_view names, std::string_view data);
    const Node* find(Fs::FileId file) const;
    const Node* lookup(Fs::FileId directory, const std::string& name) const;
    static Fs::Attributes attributes(const Node& node);
    Fs::FileId root() const { return {1, 1}; }
    void hold(Fs::FileId file) { held.insert({file.number, file.generation}); }
    /// Unlinked files that nobody holds go.
    void reap();
    /// What differs between two trees but the numbers of files; empty: nothing. `ids` are what is known of which is which, by the number here.
    std::string compare(const Tree& other, std::map<u64, Fs::FileId> ids) const;

    std::map<u64, Node> nodes;
    std::set<std::pair<u64, u64>> held;
    u64 generation = 1;  ///< the last that was used

  private:
    Node* get(Fs::FileId file);
    Outcome make(const Fs::Submission& change, Node& directory, const std::string& name,
                 std::string_view target);
    Outcome rename(const Fs::Submission& change, Node& from, const std::string& name,
                   const std::string& new_name);
    Outcome make_unnamed(const Fs::Submission& change);
    Outcome exchange(const Fs::Submission& change, Node& from, const std::string& name,
                     const std::string& other);
    Fs::FileId new_id(const Fs::Submission& change);
    bool below(u64 directory, u64 node) const;
    void unlinked(Node& node, bool hold);
};

}  // namespace pith::fs_test
