// SPDX-License-Identifier: MIT
// The client's session: from its Queue to operations and back. Requests are taken in the order in which they were submitted: those that look go on
// together, writes too that don't overlap; every other change is alone. So each sees what was submitted before it.
//
// A change is carried out when it is answered, and *committed* right after its answer is in the ring: the number of the last one up to which all are
// is in preserved memory.
#pragma once

#include "lib/os/queue.hpp"
#include "servers/fs/virtio_9p/changes.hpp"
#include "servers/fs/virtio_9p/looks.hpp"

namespace pith::virtio_9p {

class Session {
  public:
    /// Of preserved memory: State, then Names.
    static constexpr usize kNamesOffset = 4096;
    static constexpr usize kPreserved = kNamesOffset + Names::kMaxRecords * Names::kRecordSize;

    Session(Transport& transport, std::span<u8> preserved)
        : channel_(transport),
          state_(preserved.first(State::kSize)),
          names_(preserved.subspan(kNamesOffset)),
          tree_(names_, fids_),
          looks_(tree_, channel_),
          changes_(tree_, state_) {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// What is under way comes to nothing: none of it answers, or asks the host for anything any more.
    void cancel();
    /// A client begins, or comes back. `link`: ring and window; `working`: there is a device; `message_size`: the largest that goes to it.
    Result<> open(u64 session, std::span<u8> link, u64 window_offset, Handle<Signal> client, u64 bits);
    /// What `attach` says of the device: its label, and whether there is one.
    struct Device {
        bool there = false;
        u32 message_size = 0;
        char label[16] = {};
    };
    void set_device(const Device& device) { device_ = device; }
    /// Takes what was submitted, and goes on as far as it can. True: the client is to be told of answers.
    bool serve();
    /// An answer of the host's has come. `serve` afterwards.
    void completed(u32 slot, u32 written) { channel_.completed(slot, written); }
    void notify() { queue_.notify(); }
    bool idle() const { return channel_.idle(); }
    u64 committed() const { return state_->committed; }

  private:
    /// What a request gets along with.
    enum class Kind : u8 {
        look,    ///< with looks
        sync,    ///< with looks, but no writes
        write,   ///< with looks that came before, and writes elsewhere
        single,  ///< with nothing
    };
    struct Running {
        Job job;
        Kind kind = Kind::look;
        bool active = false;
    };
    static Kind kind_of(const Fs::Submission& request);
    bool admissible(const Fs::Submission& request) const;
    bool start_next();
    Result<> check(const Fs::Submission& request);
    Task<void> run(Running& running);
    Task<Result<u64>> dispatch(Line& line, const Job& job);
    Task<Result<u64>> attach(Line& line, const Job& job);
    Task<Result<u64>> detach(Line& line);
    Task<Result<>> measure(Line& line);
    void finish(Running& running, const Result<u64>& result);
    void complete(u64 id, Error error, u64 value);
    void commit_up_to();

    Channel channel_;
    State state_;
    Names names_;
    Fids fids_;
    Tree tree_;
    Looks looks_;
    Changes changes_;
    QueueServer<Fs::Submission, Fs::Completion> queue_;
    std::span<u8> window_;
    Device device_;
    Fs::Submission pending_[Fs::kEntries];
    u32 first_ = 0, count_ = 0;  // of pending_, a ring
    Running running_[Channel::kSlots];
    u64 last_started_ = 0;  // the number of a change
    u64 available_ = 0;     // bytes that were free when that was last looked at
    bool attached_ = false;
    bool read_only_ = false;
    bool fresh_ = false;     // a session that begins
    bool answered_ = false;  // since the client was last told
};

}  // namespace pith::virtio_9p
