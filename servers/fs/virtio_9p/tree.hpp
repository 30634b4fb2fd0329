// SPDX-License-Identifier: MIT
// The host's tree: walking to files by the names that are known of them, opening them, looking at them. What the host says of itself is checked
// against what is known: a walk that ends at another file than it should makes the name one that isn't the file's any more.
//
// Owners: who owns the folder on the host is the superuser here, and the host's superuser has that owner's number here; others are as on the host.
#pragma once

#include "lib/os/task.hpp"
#include "servers/fs/virtio_9p/channel.hpp"
#include "servers/fs/virtio_9p/co_try.hpp"
#include "servers/fs/virtio_9p/fids.hpp"
#include "servers/fs/virtio_9p/names.hpp"

namespace pith::virtio_9p {

// Types of files, in a mode.
inline constexpr u32 kTypeMask = 0170000, kDirectory = 0040000, kRegular = 0100000, kSymbolicLink = 0120000,
                     kCharacterDevice = 0020000, kBlockDevice = 0060000, kPermissions = 07777;

class Tree {
  public:
    Tree(Names& names, Fids& fids) : names_(names), fids_(fids) {}
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;

    /// The host has forgotten everything.
    void reset();
    /// Begins: agrees on the largest message, attaches to the root. Its attributes.
    Task<Result<Fs::Attributes>> connect(Line& line, u32 message_size);
    Task<Result<Fs::Statistics>> statistics(Line& line);

    /// A fid of the file to go by. Errors: bad_handle: it isn't known, or not there any more.
    Task<Result<FidUse>> walk(Line& line, Fs::FileId file);
    /// The same of a directory. wrong_type.
    Task<Result<FidUse>> walk_directory(Line& line, Fs::FileId directory);
    struct Found {
        FidUse fid;
        Fs::Attributes attributes;
    };
    /// A fid to go by, and what the file is now.
    Task<Result<Found>> look(Line& line, Fs::FileId file);
    /// A fid of the file, opened. wrong_type: it is no regular file or (for reading) directory, as `type` says.
    Task<Result<FidUse>> open(Line& line, Fs::FileId file, Use use, u32 type);
    /// A fid that is free: to be walked to, then to be entered, or else given back if the host didn't take it.
    Task<Result<FidUse>> fresh(Line& line);

    /// What `name` in a directory is.
    Task<Result<Found>> find(Line& line, Fs::FileId directory, const FidUse& at, std::string_view name);
    Task<Result<Fs::Attributes>> attributes(Line& line, u32 fid);
    /// Sets its permissions.
    Call set_mode(Line& line, u32 fid, u32 mode);
    Task<Result<>> clunk(Line& line, FidUse fid);
    /// The host closes what nobody has use for any more.
    Task<Result<>> clunk_stale(Line& line);

    u32 user(u32 number) const { return swapped(number, user_); }
    u32 group(u32 number) const { return swapped(number, group_); }
    Fids& fids() { return fids_; }
    Names& names() { return names_; }

  private:
    /// A walk down from a file that we have a fid of: at most kMostNames steps, perhaps not all the way.
    struct Path {
        Fid* start = nullptr;
        u64 target = 0;
        u32 count = 0;
        u64 files[kMostNames];
        u32 records[kMostNames];
    };
    static u32 swapped(u32 number, u32 owner) { return number == 0 ? owner : number == owner ? 0 : number; }
    bool plan(u64 file, Path& path);
    Task<Result<FidUse>> follow(Line& line, const Path& path, FidUse to);
    Task<Result<>> try_open(Line& line, const FidUse& from, const FidUse& to, u64 file, u32 flags);

    Names& names_;
    Fids& fids_;
    FidUse root_;
    u32 user_ = 0, group_ = 0;  // who owns the root
};

}  // namespace pith::virtio_9p
