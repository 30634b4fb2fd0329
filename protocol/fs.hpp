// SPDX-License-Identifier: MIT
// A file system: files by number and generation, names in directories, data. Spoken by servers/fs/*; used by the Linux server
// through lib/fs. docs/storage.md, "Files: who holds what", says why it is as it is. One client a mounted file system.
//
// Requests travel through a Queue (lib/os/queue.hpp) in the *link*, a Memory in the server's keep Pool, so that it outlives both
// sides: first the Queue (Submission, Completion, Fs::kEntries), then, from Open::Reply::window_offset on, the window: names, attributes
// and data, each request's in the *place* that its submission names. The first request on a link is `attach`.
//
// Requests that look may be carried out and completed in any order, except that each sees all changes that were submitted before it.
// Requests that *change* have a number: the client counts them from 1 in each session; they are carried out in the order in
// which they are submitted, which is that of their numbers (there may be gaps). A change that fails has no effect, but counts as carried out.
// A `write`, `truncate`, `allocate` or `punch` that fails may have been done in part.
//
// A change is *committed* when it is on the disk, and will be found by the next mount. The server commits when it is told to
// (`commit`), when it has to, and from time to time; Completion::committed says how far it is. The completion of a change is in the ring
// before a commit that covers it begins.
//
// Resuming. The server knows the number of the last change that is committed, across its death, and nothing else of its clients. The client keeps
// every change with all that belongs to it (the data of a write too) until it is committed. After kSignalReborn the client
// takes the completions that are still in the ring, opens again, resets its ring and sends, in this order: `attach`; `hold` for each file that it
// has unlinked, or made without a name, by a committed change and still has open; again each change behind Attached::committed, in order,
// with the number that it had, and *with the answer that it had before*, if it had one (`flags` kAnswered; `answer` what was made); then `recovered`, then all the rest.
// A change that is behind Attached::committed but had no answer is carried out as a new one. One that is not behind it has been answered:
// else the server has broken the protocol. A server that is opened again while it lives goes back to what is committed, as if it had died.
#pragma once

#include "protocol/ipc.hpp"

namespace pith {

struct Fs {
    static constexpr const char* kName = "fs";
    static constexpr u32 kEntries = 64;      ///< of the Queue: requests that can be under way
    static constexpr u32 kMaxMounts = 4;     ///< of one server
    static constexpr u32 kMaxName = 255;     ///< bytes of a name
    static constexpr u32 kMaxTarget = 4095;  ///< bytes of a symbolic link's target
    static constexpr u32 kPlaceUnit = 512;   ///< offsets of places are multiples of it

    /// Names a file for as long as it exists; never used again for another one. 0, 0: none.
    struct FileId {
        u64 number;  ///< the inode's
        u64 generation;
        bool operator==(const FileId&) const = default;
    };

    struct Time {
        i64 seconds;  ///< since 1970, UTC
        u32 nanoseconds;
        u32 reserved;
    };

    /// What a file is.
    struct Attributes {
        FileId id;
        u32 mode;  ///< type and permissions, as Linux has them
        u32 links;
        u32 user;
        u32 group;
        u64 device;   ///< of a device node: major << 32 | minor
        u64 size;     ///< bytes
        u64 sectors;  ///< of 512 bytes, that it takes
        Time accessed, modified, changed, created;
    };
    static_assert(sizeof(Attributes) == 120);

    struct Statistics {
        u64 block_size;
        u64 blocks;
        u64 free;
        u64 available;  ///< without what is kept for the superuser
        u64 files;
        u64 free_files;
        u64 id;
        u64 max_name;
    };

    /// What `attach` finds in its place: where the file system is.
    struct Attach {
        u64 disk;  ///< its index at the server's disk driver (protocol/block.hpp)
        u64 first_sector;
        u64 sectors;
        u64 flags;  ///< kReadOnly
    };
    /// ... and leaves there.
    struct Attached {
        FileId root;
        u64 committed;  ///< the number of this session's last committed change; 0: none
        u64 block_size;
        u64 max_file_size;
        u64 flags;  ///< kReadOnly, kNotDurable
        Statistics statistics;
        char label[16];  ///< padded with zeros
    };

    /// An entry of a directory, as `list` leaves them one behind the other, each on a multiple of 8 bytes; its name follows.
    struct Entry {
        u64 number;
        u64 next;    ///< the cookie that goes on behind it
        u32 type;    ///< the type bits of its mode
        u16 length;  ///< of the name, bytes
        u16 size;    ///< of the record, bytes, name and padding included
    };

    enum class Operation : u32 {
        // That look. Their `change` is 0.
        attach =
            1,  ///< mounts: an Attach in the place, an Attached comes back there. not_found: no such disk; invalid: no file system of
        ///< this kind there; unsupported: one with features that are not known; access: it may only be read (and
        ///< kReadOnly was not asked for); io; busy: another mount has it, or a part
        ///< of that disk
        detach,  ///< commits, and leaves the file system as one that was unmounted cleanly; no file is held any more. Only `attach` may follow
        recovered,  ///< all `hold`s and changes of an earlier life have been sent: unlinked files that nobody holds may go
        commit,  ///< done when all changes that were submitted before it are committed. io: they never will be
        statistics,  ///< a Statistics comes into the place
        lookup,      ///< `name` in the directory `file`: Attributes come into the place. not_found
        attributes,  ///< of `file`: Attributes come into the place
        read,  ///< `length` bytes of `file` from `offset` on, into the place; value: bytes, fewer at the end of the file
        list,  ///< entries of the directory `file` behind the cookie `offset` (0: from the beginning; without "." and ".."), as many
               ///< as fit into the place; value: their bytes, 0 at the end
        read_link,  ///< the target of `file` into the place; value: its bytes
        seek,  ///< value: the first byte from `offset` on of `file` that is data, or, with kHole, in a hole (the end of the file is one).
               ///< not_found: there is none
        hold,  ///< `file` stays when its last name goes or has gone, until it is released

        // That change. `time` is what their time stamps become. `mode`, `user`, `group`, `device` are those of a new file.
        create =
            32,  ///< `name` in the directory `file`, of the type that `mode` says (a directory too; not a symbolic link): Attributes
        ///< come into the place. exists; not_found: the directory is removed; no_space; no_slot: too many links
        create_link,     ///< the same for a symbolic link; its target is `other_name`
        create_unnamed,  ///< a regular file without a name, near the directory `file`: Attributes come into the place. It is held. With kAnswered
        ///< `answer` is made again, and held again. not_found: the directory is removed; no_space; unsupported
        link,  ///< `name` in the directory `other` for `file`: its Attributes come into the place. A file that is held need not have another
        ///< name. exists, no_slot; not_found: the directory is removed, or `file` has no name and is not held
        unlink,  ///< `name` in the directory `file`, which is no directory. With kHold it stays as if it were held
        remove_directory,  ///< `name` in the directory `file`. occupied: it is not empty
        rename,  ///< `name` in the directory `file` to `other_name` in the directory `other`. exists: without kReplace, something is there
        ///< already; occupied: it is a directory that is not empty. With kHold what is replaced stays as if it were held
        exchange,  ///< `name` in the directory `file` means what `other_name` in the directory `other` meant, and the other way round, at once. not_found:
        ///< one of them is not there; invalid: a directory would come below itself; no_slot: too many links; unsupported. It is never
        ///< carried out twice, as it would be undone
        set_attributes,  ///< of `file`, those that flags name (kSetMode: its 12 bits of permissions, ...); the time of change becomes `time`
        write,  ///< `length` bytes of the place into `file` from `offset` on, which grows; value: bytes, fewer when the disk is full
        truncate,  ///< `file` to `offset` bytes, shorter or longer
        allocate,  ///< blocks for `length` bytes of `file` from `offset` on; it grows, but with kKeepSize
        punch,  ///< `length` bytes of `file` from `offset` on read as zeros, and what they took is free; its size stays. no_space; unsupported: the
        ///< file system has no holes. It may be carried out several times, in part too: once more does no harm
        release,  ///< `file` is no longer held
    };

    /// Bits of Submission::flags.
    static constexpr u32 kReplace = 1, kHold = 2, kKeepSize = 4, kHole = 8;
    static constexpr u32 kSetMode = 16, kSetUser = 32, kSetGroup = 64, kSetAccessed = 128, kSetModified = 256;
    static constexpr u32
        kAnswered = 1u << 31;  ///< a change that was carried out already, in an earlier life of the server
    /// Bits of Attach::flags, Attached::flags and Completion::flags: the file system may only be read (by now: an error made it so).
    static constexpr u32 kReadOnly = 1;
    /// Bit of Attached::flags: what is committed does not last longer than this machine's run (a file system in memory).
    static constexpr u32 kNotDurable = 2;

    struct Submission {
        u64 id;      ///< the client's, comes back in the Completion
        u64 change;  ///< its number; 0: it only looks
        u32 operation;
        u32 flags;
        FileId file;
        FileId other;
        FileId answer;  ///< with kAnswered: what `create`, `create_link` or `create_unnamed` made
        u64 offset;
        u64 length;
        u64 place;       ///< offset in the window, a multiple of kPlaceUnit
        u32 place_size;  ///< bytes; enough for what comes in and for what comes back
        u16 name_size;   ///< bytes; `name` is at the start of the place
        u16 other_size;  ///< bytes; `other_name` follows right behind it
        u32 mode;
        u32 user;
        u32 group;
        u32 reserved;
        u64 device;
        Time time;
        Time accessed;  ///< for set_attributes
        Time modified;
    };
    static_assert(sizeof(Submission) == 176);

    struct Completion {
        u64 id;
        /// Error. Of every operation: bad_handle: the file is gone; wrong_type: it is not of the kind that is needed; invalid: a bad name,
        /// place or number; io: the device, or what is on it is broken; access: the file system may only be read; bad_state: not attached;
        /// no_memory. Others as said.
        u32 error;
        u32 flags;      ///< kReadOnly
        u64 value;      ///< as said
        u64 committed;  ///< the number of the last committed change
        u64 available;  ///< bytes that are free, without what is kept for the superuser
    };
    static_assert(sizeof(Completion) == 40);

    /// File system number `mount` of this server, counted from 0. `session` is a number of the client's that no earlier client of that mount
    /// had; another one than at the last Open lets go of all holds, and starts the count of changes. Sent along: a Signal of the client (right
    /// notify), which gets `bits` when there are completions. Comes back: the link (a Memory, read and write), and a Signal (right notify) which
    /// gets the reply's `bits` when there are submissions. Never waits for a disk. What was under way for an earlier Open comes to nothing:
    /// nothing touches the window after the answer but what is submitted then.
    /// Errors: not_found: it serves fewer; occupied: another client has it; no_memory. Idempotent.
    struct Open {
        static constexpr u16 kOpcode = 1;
        u64 mount;
        u64 session;
        u64 bits;
        struct Reply {
            u64 instance;
            u64 bits;
            u64 window_offset;  ///< in the link; a multiple of the page size
            u64 window_size;    ///< bytes
        };
    };
    using Methods = MethodList<Open>;
};

}  // namespace pith
