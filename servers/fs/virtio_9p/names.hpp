// SPDX-License-Identifier: MIT
// The names by which files are found again: 9P knows files by their places in the tree, and our client by numbers. A record is a name that was seen:
// this file, in that directory. A file may have several (hard links; the host may have renamed it): whether one still holds is seen when it is walked.
//
// The records are in preserved memory, so that a reborn server finds the same files. Each has a checksum: what a dying server left half written
// is not there. A change is a new record before the old one goes. When the table is full, the name that was used longest ago goes; a directory is used
// with whatever is in it, so it never goes before that.
//
// Generations: the host may give a removed file's number to a new one. A record without a name remembers that the file is gone, and the next
// one of this number gets the next generation.
#pragma once

#include <span>
#include <string_view>

#include "lib/base/result.hpp"
#include "protocol/fs.hpp"

namespace pith::virtio_9p {

class Names {
  public:
    static constexpr u32 kNone = ~u32{0};
    static constexpr u32 kMaxRecords = 8192;
    static constexpr usize kRecordSize = 304;
    /// Names that begin so, in the root, are of files without a name that are held.
    static constexpr std::string_view kHidden = ".pith-unlinked-";

    /// Takes up what is in `memory`, a multiple of kRecordSize; as many records as there is room for.
    explicit Names(std::span<u8> memory);
    Names(const Names&) = delete;
    Names& operator=(const Names&) = delete;

    void clear();
    /// The root's number; the table is emptied if it was another one.
    void set_root(u64 number);
    Fs::FileId root() const { return {root_, 0}; }

    /// `file`, of that type (of its mode), was seen as `name` in the directory `parent`. Its id.
    Fs::FileId learn(u64 parent, std::string_view name, u64 file, u32 type);
    /// The type of the file; 0: it isn't known, or not of this generation.
    u32 type(Fs::FileId file) const;
    Fs::FileId id(u64 file) const { return {file, generation(file)}; }
    /// A name of the file; the next one behind it; kNone. They change with whatever is learnt or forgotten.
    u32 find(u64 file) const;
    u32 next(u32 record) const;
    u64 parent(u32 record) const { return records_[record].parent; }
    std::string_view name(u32 record) const { return {records_[record].name, records_[record].length}; }
    void touch(u64 file);

    /// This isn't the file's name any more. With `gone` the file doesn't exist any more either, if it has no other name.
    void forget(u64 parent, std::string_view name, u64 file, bool gone);
    /// The same with the record by which the file was looked for, if it is one of the file's still.
    void forget_record(u32 record, u64 file);
    /// The file is gone, whatever it was called.
    void forget(u64 file);

    // Files that are held don't go from the table.
    void set_held(u64 file, bool held);
    bool held(u64 file) const;
    /// Nothing is held.
    void release_all();
    static bool hidden_name(std::string_view name) { return name.starts_with(kHidden); }
    bool hidden(u32 record) const { return records_[record].parent == root_ && hidden_name(name(record)); }
    /// The record of the file's hidden name; kNone.
    u32 find_hidden(u64 file) const;
    /// The first record from `record` on of a hidden name that isn't held (or is: `all`); kNone.
    u32 next_hidden(u32 record, bool all) const;
    /// What the record is of.
    u64 file(u32 record) const { return records_[record].file; }

    // Files that were changed since they were last told to be on the disk.
    void set_unsynced(u64 file, bool unsynced);
    /// The first record from `record` on of such a file; kNone.
    u32 next_unsynced(u32 record) const;

  private:
    enum Kind : u32 { free = 0, named = 1, gone = 2, nameless = 3 };
    struct Record {
        u64 file;
        u64 parent;
        u32 type;
        u32 length;
        u64 checksum;  ///< of what is above, and the name
        u32 kind;
        u32 generation;
        u32 state_check;  ///< of kind and generation
        u32 unsynced;
        char name[256];
    };
    static_assert(sizeof(Record) == kRecordSize);
    struct Place {  // what is only here: links of the chain by number, and of the list by use
        u32 chain = kNone;
        u32 newer = kNone, older = kNone;
        bool held = false;
    };
    static constexpr u32 kBuckets = 2048;

    static u64 checksum(const Record& record);
    static u32 state_check(const Record& record);
    static u32 bucket(u64 file) { return static_cast<u32>((file * 0x9e37'79b9'7f4a'7c15) >> 32) % kBuckets; }
    u32 first(u64 file) const;
    u32 following(u32 record) const;
    u32 generation(u64 file) const;
    bool unsynced(u64 file) const;
    u32 find_name(u64 parent, std::string_view name, u64 file) const;
    void set_state(Record& record, Kind kind, u32 generation);
    u32 take();
    u32 add(u64 parent, std::string_view name, u64 file, u32 type, Kind kind, u32 generation);
    void drop(u32 record);
    void remove(u32 record, bool gone);
    void link(u32 record);
    void unlink_use(u32 record);
    void use(u32 record);

    std::span<Record> records_;
    Place places_[kMaxRecords];
    u32 buckets_[kBuckets];
    u32 newest_ = kNone, oldest_ = kNone;
    u32 free_ = kNone;  // through Place::chain
    u64 root_ = 0;
};

}  // namespace pith::virtio_9p
