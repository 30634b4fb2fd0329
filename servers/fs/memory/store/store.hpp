// SPDX-License-Identifier: MIT
// Store: files in a memory that outlives the server. No system calls: the host's tests have it die at every store to that memory.
//
// What changes something is undone by `abandon` or done by `finish`, and nothing of it is there before, but for bytes of files that are overwritten
// in place. Free pages are known by the server alone: `open` finds out which they are. Pages that are cut off are free when the change is done,
// not earlier: it may be undone.
//
// What is read from the memory is checked by `open`, wholly; afterwards what leads on (numbers of pages and of inodes, slots) still is,
// so that spoilt memory is an error (`broken`) and no crash.
#pragma once

#include <string_view>
#include <vector>

#include "servers/fs/memory/store/image.hpp"

namespace pith::memory_fs {

/// An inode that was read; `save` writes it back.
struct Node : Inode {
    u32 number = 0;
    Fs::FileId id() const { return {number, generation}; }
    u32 type() const { return mode & 0170000; }
    bool directory() const { return type() == 0040000; }
    bool regular() const { return type() == 0100000; }
    bool link() const { return type() == 0120000; }
};

struct NewFile {
    u32 mode, user, group;
    u64 device;
    Fs::Time time;
};

class Store {
  public:
    Store(std::span<u8> memory, Image::Hook hook = {}) : image_(memory, hook) {}
    /// Makes the store if there is none, else finds out what is in it. io: it is broken. invalid: the size.
    Result<> open();
    bool broken() const { return broken_; }
    const Record& record() const { return image_.super().record; }
    u64 committed() const { return image_.super().committed; }
    u64 free_pages() const { return free_; }
    Geometry geometry() const { return geometry_; }
    u64 free_inodes() const;

    // Changes
    /// What was changed is done, with `record` if there is one. io, no_memory: it has to be abandoned.
    Result<> finish(const Record* record = nullptr);
    void abandon();
    /// The completion of the last change is in the ring.
    void commit(u64 change);

    // Files. Errors: bad_handle; wrong_type; io: it is broken
    Result<Node> node(Fs::FileId id);
    Result<Node> node(u64 number);
    Result<usize> read(const Node& file, u64 offset, std::span<u8> to);
    Result<u64> seek(const Node& file, u64 offset, bool hole);
    /// Bytes, fewer when there is no room for more.
    Result<usize> write(Node file, u64 offset, std::span<const u8> from, Fs::Time time);
    Result<> truncate(Node file, u64 size, Fs::Time time);
    Result<> allocate(Node file, u64 offset, u64 length, bool keep_size, Fs::Time time);
    Result<> punch(Node file, u64 offset, u64 length, Fs::Time time);
    void save(Node& file);
    /// A file without names goes.
    void remove(Node file);

    // Names
    struct Found {
        u64 slot = 0;  ///< where in the memory
        u32 inode = 0;
    };
    struct Listed {
        u32 inode;
        u64 next;
        std::string_view name;
    };
    /// not_found.
    Result<Node> lookup(const Node& directory, std::string_view name);
    /// The first name from slot `from` on, of all the directory's. not_found: there is none.
    Result<Listed> next_name(const Node& directory, u64 from);
    Result<Node> create(Node directory, std::string_view name, const NewFile& file, std::string_view target);
    Result<Node> create_unnamed(const Node& directory, const NewFile& file);
    Result<> link(Node file, Node directory, std::string_view name, Fs::Time time);
    /// These return what has lost a name.
    Result<Node> unlink(Node directory, std::string_view name, Fs::Time time);
    Result<Node> remove_directory(Node directory, std::string_view name, Fs::Time time);
    Result<Node> rename(Node from, std::string_view name, Node to, std::string_view new_name, bool replace,
                        Fs::Time time);
    Result<> exchange(Node from, std::string_view name, Node to, std::string_view other, Fs::Time time);

  private:
    struct Tree {
        u32 page, height;
    };
    struct Walk;

    // check.cpp
    void format();
    Result<> check_inode(Walk& walk, u32 number);
    Result<> check_tree(Walk& walk, Tree tree, u32& pages);
    Result<> check_names(Walk& walk, const Node& directory);
    Error spoilt() {
        broken_ = true;
        return Error::io;
    }

    // pages.cpp
    static constexpr u64 at(u64 page) { return page * kPage; }
    bool possible(u32 page) const { return page >= geometry_.first && page < geometry_.pages; }
    bool used(u32 page) const { return (used_[page / 64] >> page % 64 & 1) != 0; }
    void mark(u32 page, bool now_used);
    /// 0: there is none.
    u32 take();
    u32 child(u32 page, u64 index);
    u32 find(const Node& file, u64 index);
    Result<u32> make(Node& file, u64 index, bool zeroed);
    Result<u32> make_page(Node& file, bool zeroed);
    u32 cut(Node& file, Tree tree, u64 first, u64 last);
    u32 count(Tree tree);
    void drop(Node& file, Tree tree);
    void give_back(Tree tree);
    void cut(Node& file, u64 first, u64 last);
    bool grow(Node& file, u64 size);
    u64 missing(const Node& file, u64 first, u64 last);

    // directory.cpp
    Result<Found> find(const Node& directory, std::string_view name);
    Result<> insert(Node& directory, std::string_view name, u32 inode);
    void erase(u64 slot);
    const Slot* slot(u32 page, u64 index);
    static u16 tag(std::string_view name);

    // names.cpp
    u64 inode_offset(u64 number) const { return kTablePage * kPage + number * sizeof(Inode); }
    Result<Node> new_node(const NewFile& file);
    Result<Found> find_absent(const Node& directory, std::string_view name);
    Result<bool> below(u32 directory, u32 node);
    void touch(Node& directory, Fs::Time time);
    void lose_name(Node& file, Fs::Time time);

    Image image_;
    Geometry geometry_{};
    bool broken_ = true;
    std::vector<u64> used_;  ///< a bit for each page
    u64 free_ = 0;           ///< pages
    u32 next_page_ = 0;      ///< where to look for one
    u32 next_inode_ = kRoot;
    std::vector<u32> taken_;     ///< by the change that is under way
    std::vector<Tree> dropped_;  ///< likewise
};

}  // namespace pith::memory_fs
