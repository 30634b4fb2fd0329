// SPDX-License-Identifier: MIT
// FsRequests: the requests to one file system, from where their callers make them to where they are answered, and the changes until they
// are committed (the redo log). It makes no system call (client.hpp does), so that it can be tested on the host.
//
// One queue, first in, first out: so changes are submitted in the order of their numbers, and each look after all changes that began before
// it. Places in the window are in use only while their request is under way, and everything is moved on by `serve` alone: nothing
// waits for a coroutine. When the link is opened anew (`open`), the requests of the last life are sent as protocol/fs.hpp says: attach, holds,
// changes, `recovered`, and then what waits.
//
// The server is distrusted: a completion that can't be, or a broken ring, closes the link; what was under way is submitted again after
// the next `open`, and fails with Error::protocol when that has happened to it kMaxAttempts times.
#pragma once

#include <utility>

#include "lib/fs/holds.hpp"
#include "lib/fs/window.hpp"
#include "lib/os/queue.hpp"

namespace pith {

class FsRequests {
  public:
    static constexpr u32 kMaxAttempts = 4;
    static constexpr u32 kMaxKept = 4096;
    static constexpr u64 kMaxTransfer = u64{256} << 10;
    static constexpr u32
        kMaxNow = 64 << 10;  ///< bytes that read_now's own place has, or an eighth of the window

    FsRequests() = default;
    FsRequests(const FsRequests&) = delete;
    FsRequests& operator=(const FsRequests&) = delete;
    ~FsRequests();

    // The link.
    /// What Open gave is something to work with; once there was a link, every further one has to be of the same shape. protocol.
    Result<> check(const Fs::Open::Reply& reply) const;
    /// A new session begins: nothing is kept of an earlier one. `caller` (may be null) is told when it is attached, or why it can't be.
    void begin(const Fs::Attach& where, FsCaller* caller);
    /// Works on `link`, checked and mapped, from now on: attaches, and takes up again what was going on.
    void open(std::span<u8> link, const Fs::Open::Reply& reply);
    /// Nothing is submitted until the next `open`.
    void close();
    /// Everything that waits or is under way fails, and so does what comes later, until it is attached again. Changes that were answered are
    /// kept, and releases.
    void fail_all(Error error);
    /// Forgets the session, and what is kept of it; the data of writes is settled with `error`.
    void end(Error error);
    bool opened() const { return phase_ != Phase::closed; }
    /// What new requests fail with; ok: they don't.
    Error failed() const { return failed_; }
    /// Takes the completions that are there, and submits what there is room for then.
    void serve();
    /// Only takes them: the server has died.
    void drain();
    /// True, once, if something was submitted since the last call: the server is to be told.
    bool take_submitted() { return std::exchange(submitted_, false); }
    /// True, once, if the server broke the rules: the link is closed, and has to be opened anew.
    bool take_broken() { return std::exchange(broken_, false); }
    /// Not ok, once: the server would not attach. The link is closed.
    Error take_attach_error() { return std::exchange(attach_error_, Error::ok); }
    bool running() const { return phase_ == Phase::running; }
    u32 under_way() const { return used_slots_; }
    bool idle() const { return used_slots_ == 0 && waiting_empty(); }

    const Fs::Attached& attached() const { return attached_; }
    bool read_only() const { return read_only_; }
    u64 available() const { return available_; }
    u32 max_transfer() const { return max_transfer_; }
    u32 max_now() const { return now_size_; }
    u64 last_change() const { return last_change_; }
    u64 committed() const { return committed_; }
    u64 losses() const { return losses_; }
    u32 kept() const { return kept_count_; }

    // Requests that look (lib/fs/operations.cpp). What they fail with at once is told at once, within the call.
    void lookup(FsCaller& caller, Fs::FileId directory, std::string_view name);
    void get_attributes(FsCaller& caller, Fs::FileId file);
    /// Into caller.to, or to caller.bytes.
    void read(FsCaller& caller, Fs::FileId file, u64 offset, usize length);
    /// The same, before other looks, with a place and an entry of the ring for it alone; one at a time (busy). At most max_now() bytes.
    void read_now(FsCaller& caller, Fs::FileId file, u64 offset, usize length);
    void list(FsCaller& caller, Fs::FileId directory, u64 cookie);
    void read_link(FsCaller& caller, Fs::FileId file);
    void seek(FsCaller& caller, Fs::FileId file, u64 offset, bool hole);
    /// A Fs::Statistics into caller.to.
    void statistics(FsCaller& caller);
    void commit(FsCaller& caller);
    void detach(FsCaller& caller);

    // Requests that change.
    void create(FsCaller& caller, Fs::FileId directory, std::string_view name, const FsNewFile& file,
                Fs::Time time);
    void create_link(FsCaller& caller, Fs::FileId directory, std::string_view name, std::string_view target,
                     const FsNewFile& file, Fs::Time time);
    /// It is held, until it is released; at once if nobody waits any more.
    void create_unnamed(FsCaller& caller, Fs::FileId directory, const FsNewFile& file, Fs::Time time);
    void link(FsCaller& caller, Fs::FileId file, Fs::FileId directory, std::string_view name, Fs::Time time);
    void unlink(FsCaller& caller, Fs::FileId directory, std::string_view name, Fs::FileId file, bool hold,
                Fs::Time time);
    void remove_directory(FsCaller& caller, Fs::FileId directory, std::string_view name, Fs::Time time);
    void rename(FsCaller& caller, Fs::FileId from, std::string_view name, Fs::FileId to,
                std::string_view new_name, Fs::FileId replaced, bool hold, Fs::Time time);
    void exchange(FsCaller& caller, Fs::FileId from, std::string_view name, Fs::FileId to,
                  std::string_view other, Fs::Time time);
    void set_attributes(FsCaller& caller, Fs::FileId file, const FsAttributeChange& change, Fs::Time time);
    void write(FsCaller& caller, Fs::FileId file, u64 offset, usize length, FsData& data, Fs::Time time);
    void truncate(FsCaller& caller, Fs::FileId file, u64 size, Fs::Time time);
    void allocate(FsCaller& caller, Fs::FileId file, u64 offset, u64 length, bool keep_size, Fs::Time time);
    void punch(FsCaller& caller, Fs::FileId file, u64 offset, u64 length, Fs::Time time);
    /// `time` is when it went, if it goes.
    void release(Fs::FileId file, Fs::Time time);

  private:
    using Waiting = List<FsRequest, &FsRequest::link>;
    using Kept = List<FsRequest, &FsRequest::kept_link>;
    /// Where a new link is; the order is that of protocol/fs.hpp.
    enum class Phase : u8 { closed, attaching, holding, redoing, running };
    struct Slot {
        u64 id = 0;  ///< of the submission; 0: free
        FsRequest* request = nullptr;
        u64 place = 0;
    };
    /// What a completion brought, checked.
    struct Answer {
        Error error;
        u64 value;
        u64 committed;
        Fs::Attributes attributes;
        Fs::Attached attached;
    };

    // requests.cpp: the ring.
    bool waiting_empty() const { return waiting_count_ == 0; }
    void enqueue(FsRequest& request);
    void pump();
    bool pump_commit();
    bool send(FsRequest& request);
    bool fill_place(FsRequest& request, u64 place);
    bool enter(FsRequest& request, u64 place);
    bool complete(const Fs::Completion& completion);
    void free_slot(Slot& slot);
    void violated();

    // answers.cpp: what a completion means.
    bool check(FsRequest& request, const Slot& slot, const Fs::Completion& completion, Answer& answer);
    bool check_committed(const FsRequest& request, Error error, u64 committed);
    Error check_content(FsRequest& request, std::span<const u8> place, Answer& answer);
    void answer_look(FsRequest& request, const Slot& slot, const Answer& answer);
    void answer_change(FsRequest& request, const Answer& answer);
    void answer_commit(FsRequest& request, const Answer& answer);
    void answer_control(FsRequest& request, const Answer& answer);
    static void tell(FsRequest& request, Error error, u64 value = 0);

    // log.cpp: the changes that are kept.
    void commit_to(u64 number);
    void lose_through(u64 number);
    void settle_hold(FsRequest& request, Error error);
    void forget(FsRequest& change, Error error);
    void give_up(FsRequest& request, Error error);
    FsRequest* allocate();
    void free(FsRequest& request);

    // recovery.cpp: from `open` to running.
    void control(Fs::Operation operation, Fs::FileId file);
    void attached_now(const Fs::Attached& attached);
    void hold_next();
    bool redo();

    // operations.cpp.
    FsRequest* make(FsCaller& caller, Fs::Operation operation, Fs::FileId file);
    bool name(FsRequest& request, std::string_view name, std::string_view other, usize max_other);
    void begin_change(FsRequest& request, Fs::Time time);
    bool begin_hold(FsRequest& request, Fs::FileId file);

    QueueClient<Fs::Submission, Fs::Completion> queue_;
    std::span<u8> window_;
    FsWindow places_;
    Slot slots_[Fs::kEntries];
    u64 used_mask_ = 0;  ///< of slots_
    u32 used_slots_ = 0;
    u64 submissions_ = 0;  ///< ever made: ids count them

    Waiting waiting_;  ///< not submitted in this life; changes that were in another are just in kept_
    u32 waiting_count_ = 0;
    Kept kept_;  ///< by number; those that were sent before those that were not
    u32 kept_count_ = 0;
    u32 kept_sent_ = 0;
    Waiting free_;
    u32 free_count_ = 0;
    FsHolds holds_;

    u64 last_change_ = 0;
    u64 committed_ = 0;
    u64 ever_sent_ = 0;  ///< the last change that any server was sent
    u64 life_sent_ = 0;  ///< ... that this one was, or that it has from an earlier life
    bool lost_ = false;  ///< something that was answered will never be committed; the next commit tells
    u64 losses_ = 0;     ///< how often that was so

    Phase phase_ = Phase::closed;
    Error failed_ = Error::bad_state;
    Error attach_error_ = Error::ok;
    bool submitted_ = false;
    bool broken_ = false;
    bool known_ = false;          ///< shape_ is set
    bool ever_attached_ = false;  ///< attached_ is set
    bool detaching_ = false;      ///< detach is under way: nothing comes behind it
    bool read_only_ = false;
    u64 available_ = 0;
    Fs::Open::Reply shape_{};
    Fs::Attach where_{};
    Fs::Attached attached_{};
    u32 max_transfer_ = 0;
    u32 now_size_ = 0;
    FsRequest control_;  ///< attach, hold, recovered; its caller waits for the first attach
    FsHold* holding_ = nullptr;
    FsRequest* redo_ = nullptr;  ///< the next change to be sent again
    FsRequest commit_;           ///< the client's own
    FsRequest now_;              ///< read_now's
};

}  // namespace pith
