// SPDX-License-Identifier: MIT
// What a file system should hold, as plain maps; random operations on both; and their comparison.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>

#include "lib/ext4/file_system.hpp"

namespace pith::ext4::test {

struct Node {
    enum Kind { file, directory, link } kind = file;
    std::vector<u8> content;                               ///< of a file, or a link's target
    std::map<std::string, std::shared_ptr<Node>> entries;  ///< of a directory
    FileId id;
    u64 touched = 0;  ///< the step that last changed a file's content
};

using NodePointer = std::shared_ptr<Node>;

/// A deep copy; hard links stay shared.
NodePointer copy(const NodePointer& root);

/// "" if `directory` (and all below it) is what `node` says.
std::string compare(FileSystem& system, FileId directory, const Node& node, const std::string& path = "/");
/// The same, but what files hold counts only where their latest content, by `latest`, is not younger than `step`.
std::string compare_settled(FileSystem& system, FileId directory, const Node& node,
                            const std::map<u32, u64>& latest, u64 step, const std::string& path = "/");
/// Inode to step, of every file below.
void collect_touched(const Node& node, std::map<u32, u64>& touched);

class Actor {
  public:
    Actor(FileSystem& system, NodePointer root, u64 seed)
        : system_(&system), root_(std::move(root)), random_(seed) {}
    /// One random operation. "" or what went wrong. A full disk is not wrong: then nothing has changed.
    std::string step();
    const NodePointer& root() const { return root_; }
    /// An error of the disk ended a step: what it did is uncertain.
    bool failed() const { return failed_; }
    /// The number of the last step.
    u64 count() const { return count_; }
    void use(FileSystem& system) { system_ = &system; }
    u64 full() const { return full_; }
    const std::string& last() const { return last_; }
    /// How big its files get, in bytes.
    void set_sizes(u64 most) { most_ = most; }
    std::mt19937_64& random() { return random_; }

  private:
    u64 below(u64 limit) { return random_() % limit; }
    std::string name();
    NodePointer any_directory();
    struct Place {
        NodePointer directory;
        std::string name;
        NodePointer node;
    };
    bool any_entry(Place& place);
    bool contains(const NodePointer& tree, const NodePointer& node);
    std::string expect(const std::string& what, Error got, Error wanted);

    std::string create();
    std::string make_directory();
    std::string make_link();
    std::string link();
    std::string write();
    std::string truncate();
    std::string allocate();
    std::string punch();
    std::string remove();
    std::string rename();
    std::string exchange();
    std::string create_unnamed();
    std::string read();

    FileSystem* system_;
    NodePointer root_;
    std::mt19937_64 random_;
    u64 most_ = 40000;
    u64 full_ = 0;
    bool failed_ = false;
    u64 count_ = 1;
    std::string last_;
};

}  // namespace pith::ext4::test
