// SPDX-License-Identifier: MIT
// FsClient: one mounted file system of a file server (protocol/fs.hpp), for coroutines of an event loop, and for who can't be one:
//
//   FsClient fs(server, 0);
//   PITH_CO_CHECK(co_await fs.attach(loop.signal(), bit, session, where));
//   Result<Fs::Attributes> found = co_await fs.lookup(directory, "name");
//
// Any number of callers; more than the ring or the window holds wait their turn, first in, first out. Changes are submitted in the order of
// the calls (a call takes its number when it begins, before it waits for anything).
//
// The server may die at any time: a caller sees a pause. Changes are kept until they are committed, and carried out again by a
// reborn server as protocol/fs.hpp says, so that what was answered is never undone and never done twice. The data of writes is not copied for it:
// it is asked for again (FsData). When what is kept grows beyond kMaxKept changes, a commit is asked for.
//
// Files that are unlinked while they are open are held: `unlink` and `rename` with `hold`, until `release`.
//
// A server that breaks the protocol costs the requests under way a new try, a few of them Error::protocol; one that is held down has
// requests fail (held_down) until it is started again; changes that were answered but not committed are kept meanwhile.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "lib/os/event_loop.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/task.hpp"
#include "protocol/fs.hpp"

namespace pith {

/// The data of a write, where it stays until it is committed. It is asked for it when the request is submitted, and again when it has to be
/// repeated; it may have changed by then (later writes of the same bytes follow anyway).
class FsData {
  public:
    virtual ~FsData() = default;
    /// Copies the first bytes of what is to be written; returns how many there are (fewer than at the first time: the rest is not in the file
    /// any more). Called from within the client: neither waits nor calls it.
    virtual usize copy(std::span<u8> to) = 0;
    /// Called once, when it will not be asked for again: the write is committed, or has failed, or the client is gone. It may delete itself.
    virtual void settled(Error error) = 0;
};

/// What a new file is.
struct FsNewFile {
    u32 mode = 0;  ///< type and permissions
    u32 user = 0;
    u32 group = 0;
    u64 device = 0;  ///< major << 32 | minor
};

/// What set_attributes changes: `flags` are Fs::kSetMode and so on.
struct FsAttributeChange {
    u32 flags = 0;
    u32 mode = 0;
    u32 user = 0;
    u32 group = 0;
    Fs::Time accessed{};
    Fs::Time modified{};
};

class FsClient {
  public:
    static constexpr u32 kMaxKept = 4096;
    FsClient(const Client<Fs>& server, u64 mount);
    FsClient(const FsClient&) = delete;
    FsClient& operator=(const FsClient&) = delete;
    ~FsClient();

    /// Opens the link and mounts. `signal` (the event loop's) gets `bits` when there is something to look at: call look() then, and reborn()
    /// at kSignalReborn. Errors: those of Fs::Open and Fs::Operation::attach; timed_out; held_down.
    Task<Result<>> attach(const Handle<Signal>& signal, u64 bits, u64 session, const Fs::Attach& where);
    /// Commits, unmounts cleanly, closes. Errors: io: not everything was committed.
    Task<Result<>> detach();
    void look();
    /// A supplier of this component's was started again, perhaps this server: if so, takes up again what was going on.
    void reborn();

    const Fs::Attached& attached() const;
    /// An error has made it so, or it was mounted so.
    bool read_only() const;
    /// Bytes that were free at the last answer.
    u64 available() const;
    /// Bytes of the largest read or write.
    u32 max_transfer() const;
    /// The number of the last change that was begun, and of the last one that is committed.
    u64 last_change() const;
    u64 committed() const;

    Task<Result<Fs::Statistics>> statistics();
    Task<Result<Fs::Attributes>> lookup(Fs::FileId directory, std::string_view name);
    Task<Result<Fs::Attributes>> attributes(Fs::FileId file);
    /// At most max_transfer() bytes; fewer at the end of the file.
    Task<Result<usize>> read(Fs::FileId file, u64 offset, std::span<u8> to);
    /// The same with the bytes where they have come, instead of a copy: `take` is called with them once, from within look(); it neither waits
    /// nor calls the client. `length` bytes at most.
    using Take = std::function<void(Result<std::span<const u8>>)>;
    Task<Result<usize>> read(Fs::FileId file, u64 offset, usize length, Take take);
    /// The same for who can't wait: the thread stands still until the answer has come, and nothing else is served but this file system's link and
    /// its server's rebirth. From outside look() only. At most kMaxNow bytes.
    static constexpr u32 kMaxNow = 64 << 10;
    Result<usize> read_now(Fs::FileId file, u64 offset, std::span<u8> to);
    /// Entries as Fs::Entry says; bytes.
    Task<Result<usize>> list(Fs::FileId directory, u64 cookie, std::span<u8> to);
    Task<Result<usize>> read_link(Fs::FileId file, std::span<char> to);
    Task<Result<u64>> seek(Fs::FileId file, u64 offset, bool hole);

    Task<Result<Fs::Attributes>> create(Fs::FileId directory, std::string_view name, const FsNewFile& file, Fs::Time time);
    Task<Result<Fs::Attributes>> create_link(Fs::FileId directory, std::string_view name, std::string_view target,
                                             const FsNewFile& file, Fs::Time time);
    Task<Result<Fs::Attributes>> link(Fs::FileId file, Fs::FileId directory, std::string_view name, Fs::Time time);
    /// With `hold`, `file` (which is what the name means) is held.
    Task<Result<>> unlink(Fs::FileId directory, std::string_view name, Fs::FileId file, bool hold, Fs::Time time);
    Task<Result<>> remove_directory(Fs::FileId directory, std::string_view name, Fs::Time time);
    /// `replaced`: what is at the new name, held if `hold`; {} for nothing.
    Task<Result<>> rename(Fs::FileId from, std::string_view name, Fs::FileId to, std::string_view new_name, Fs::FileId replaced,
                          bool hold, Fs::Time time);
    Task<Result<>> set_attributes(Fs::FileId file, const FsAttributeChange& change, Fs::Time time);
    /// `length` bytes, at most max_transfer(), of `data`. Bytes written: fewer when the disk is full. `data` is settled some time after it.
    Task<Result<usize>> write(Fs::FileId file, u64 offset, usize length, FsData& data, Fs::Time time);
    Task<Result<>> truncate(Fs::FileId file, u64 size, Fs::Time time);
    Task<Result<>> allocate(Fs::FileId file, u64 offset, u64 length, bool keep_size, Fs::Time time);
    /// Nobody waits for it: it is done when it is done.
    void release(Fs::FileId file);
    /// Every change that was begun before is on the disk when it is done. Errors: io: it is not, and never will be.
    Task<Result<>> commit();
};

}  // namespace pith
