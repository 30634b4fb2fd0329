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
// Files that are unlinked while they are open are held: `unlink` and `rename` with `hold`, until `release`. So is what `create_unnamed` makes.
//
// A server that breaks the protocol costs the requests under way a new try, a few of them Error::protocol; one that is held down has
// requests fail (held_down) until it is started again; changes that were answered but not committed are kept meanwhile.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "lib/fs/requests.hpp"
#include "lib/os/event_loop.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/patience.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/task.hpp"

namespace pith {

class FsClient {
  public:
    static constexpr u32 kMaxKept = FsRequests::kMaxKept;
    FsClient(const Client<Fs>& server, u64 mount) : server_(server), mount_(mount) {}
    FsClient(const FsClient&) = delete;
    FsClient& operator=(const FsClient&) = delete;
    /// Not while attach or detach is under way. Other callers are told bad_state.
    ~FsClient();

    /// Opens the link and mounts. `signal` (the event loop's) gets `bits` when there is something to look at: call look() then, and reborn()
    /// at kSignalReborn. Errors: those of Fs::Open and Fs::Operation::attach; timed_out; held_down.
    Task<Result<>> attach(const Handle<Signal>& signal, u64 bits, u64 session, const Fs::Attach& where);
    /// Commits, unmounts cleanly, closes. Errors: io: not everything was committed.
    Task<Result<>> detach();
    void look();
    /// A supplier of this component's was started again, perhaps this server: if so, takes up again what was going on.
    void reborn();

    const Fs::Attached& attached() const { return requests_.attached(); }
    /// An error has made it so, or it was mounted so.
    bool read_only() const { return requests_.read_only(); }
    /// Bytes that were free at the last answer.
    u64 available() const { return requests_.available(); }
    /// Bytes of the largest read or write.
    u32 max_transfer() const { return requests_.max_transfer(); }
    /// The number of the last change that was begun, and of the last one that is committed.
    u64 last_change() const { return requests_.last_change(); }
    u64 committed() const { return requests_.committed(); }
    /// How often changes that had been answered were lost. commit() tells of a loss once, whoever asks; who has to tell several of it compares this.
    u64 losses() const { return requests_.losses(); }

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
    static constexpr u32 kMaxNow = FsRequests::kMaxNow;
    Result<usize> read_now(Fs::FileId file, u64 offset, std::span<u8> to);
    /// Entries as Fs::Entry says; bytes.
    Task<Result<usize>> list(Fs::FileId directory, u64 cookie, std::span<u8> to);
    Task<Result<usize>> read_link(Fs::FileId file, std::span<char> to);
    Task<Result<u64>> seek(Fs::FileId file, u64 offset, bool hole);

    Task<Result<Fs::Attributes>> create(Fs::FileId directory, std::string_view name, const FsNewFile& file,
                                        Fs::Time time);
    Task<Result<Fs::Attributes>> create_link(Fs::FileId directory, std::string_view name,
                                             std::string_view target, const FsNewFile& file, Fs::Time time);
    /// A regular file without a name; it is held.
    Task<Result<Fs::Attributes>> create_unnamed(Fs::FileId directory, const FsNewFile& file, Fs::Time time);
    Task<Result<Fs::Attributes>> link(Fs::FileId file, Fs::FileId directory, std::string_view name,
                                      Fs::Time time);
    /// With `hold`, `file` (which is what the name means) is held.
    Task<Result<>> unlink(Fs::FileId directory, std::string_view name, Fs::FileId file, bool hold,
                          Fs::Time time);
    Task<Result<>> remove_directory(Fs::FileId directory, std::string_view name, Fs::Time time);
    /// `replaced`: what is at the new name, held if `hold`; {} for nothing.
    Task<Result<>> rename(Fs::FileId from, std::string_view name, Fs::FileId to, std::string_view new_name,
                          Fs::FileId replaced, bool hold, Fs::Time time);
    /// What the two names mean changes places.
    Task<Result<>> exchange(Fs::FileId from, std::string_view name, Fs::FileId to, std::string_view other,
                            Fs::Time time);
    Task<Result<>> set_attributes(Fs::FileId file, const FsAttributeChange& change, Fs::Time time);
    /// `length` bytes, at most max_transfer(), of `data`. Bytes written: fewer when the disk is full. `data` is settled some time after it.
    Task<Result<usize>> write(Fs::FileId file, u64 offset, usize length, FsData& data, Fs::Time time);
    Task<Result<>> truncate(Fs::FileId file, u64 size, Fs::Time time);
    Task<Result<>> allocate(Fs::FileId file, u64 offset, u64 length, bool keep_size, Fs::Time time);
    /// They read as zeros then, and what they took is free.
    Task<Result<>> punch(Fs::FileId file, u64 offset, u64 length, Fs::Time time);
    /// Nobody waits for it: it is done when it is done.
    void release(Fs::FileId file);
    /// Every change that was begun before is on the disk when it is done. Errors: io: it is not, and never will be.
    Task<Result<>> commit();

  private:
    class Call;
    static constexpr abi::Time kPatience = 50'000'000;
    /// How long the first attach waits for a server that does not answer Open.
    static constexpr abi::Time kAttachPatience = 10'000'000'000;
    /// Answers that look as if the server died, until it is taken for one that breaks the protocol.
    static constexpr u32 kMaxOpens = 8;
    /// kSignalReborn tells of a server that has been started again; of one that is held down nothing does, so it is looked at.
    static constexpr abi::Time kLookInterval = 1'000'000'000;
    static constexpr u32 kMostSilences = 5;
    struct Watch : Timer {
        explicit Watch(FsClient& of) : Timer(&expired), client(of) {}
        static void expired(Timer& timer) { static_cast<Watch&>(timer).client.watch(); }
        FsClient& client;
    };
    /// The server is there: its Signal, which is of its run Pool, has not gone with it.
    bool server_alive() const { return peer_.valid() && peer_.info().ok(); }
    Result<> try_open(abi::Time deadline);
    /// Opens again; later, if there is no answer now.
    void reopen();
    void open_failed(Error error);
    /// Looks at it again after a while, each time a longer one.
    void watch_later();
    /// Sees to what requests_ has come to, and has the server told of what was submitted: at once of a single request; of one that joins
    /// others when the coroutines that are ready have run, so that all of theirs cost one call.
    void settle();
    void tell_server();
    Task<void> run_notifier();
    void watch();
    void close_link();
    Task<Result<usize>> write_data(Fs::FileId file, u64 offset, usize length, FsData& data, Fs::Time time);
    struct NowCall;
    Result<> wait_now(const NowCall& call, u64& taken);

    const Client<Fs>& server_;
    u64 mount_;
    u64 session_ = 0;
    const Handle<Signal>* signal_ = nullptr;
    u64 bits_ = 0;
    Handle<Memory> link_;
    Mapping mapping_;
    Handle<Signal> peer_;
    u64 peer_bits_ = 0;
    FsRequests requests_;
    Waiter notifier_;  ///< in the list of those that are ready: the server is to be told
    Watch watch_{*this};
    abi::Time broken_at_ = 0;    ///< when the server broke the rules last
    HostDeadline attach_until_;  ///< of attaching for the first time; else it never passes
    u32 bad_opens_ = 0;          ///< answers to Open that could not be used, in a row
    u32 silences_ = 0;           ///< times in a row that it did not answer Open
};

}  // namespace pith
