// SPDX-License-Identifier: MIT
// A mount as a client uses it, one thread that waits: changes are kept until they are committed, and sent again to a reborn server.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/queue.hpp"
#include "protocol/fs.hpp"

namespace pith::test {

class Files {
  public:
    static constexpr u64 kCompletedBit = 1;
    Files(const Client<Fs>& server, u64 mount) : server_(server), mount_(mount) {}

    Result<Fs::Attached> attach(u64 session, const Fs::Attach& where);
    /// Goes on with a server that was started again, as protocol/fs.hpp says. Also for one that lives.
    Result<> resume();
    /// Called when a request has been submitted, with whether it is one of `resume`'s: it may have the server killed.
    std::function<void(bool)> submitted;
    const Fs::Open::Reply& facts() const { return facts_; }
    u8* window() const { return mapping_.as<u8>(facts_.window_offset); }

    struct Answer {
        Error error = Error::ok;
        u64 value = 0;
    };
    /// A request with names or data at the start of its place (of the window's first half); waits for the answer. Repeats it when the server
    /// dies.
    Answer look(Fs::Submission request, std::string_view names = {});
    /// The same for a change: numbers and keeps it.
    Answer change(Fs::Submission request, std::string_view content = {});
    /// Puts a request under way as it is.
    Result<> submit(const Fs::Submission& request) { return queue_.submit(request); }
    void notify() const { queue_.notify(); }
    /// The next that is completed. peer_died: the server was started again.
    Result<Fs::Completion> next();
    Result<> reopen();

    u64 last_change() const { return last_; }
    u64 committed() const { return committed_; }
    usize kept() const { return kept_.size(); }
    u64 repeated() const { return repeated_; }
    /// Follows the change that did it.
    void hold(Fs::FileId file, bool held) {
        if (held) held_[file.number] = file;
        else if (held_.erase(file.number) != 0) released_[last_] = file;
    }
    /// Copied from the last answer's place.
    template <typename T>
    T result() const {
        T value;
        std::memcpy(&value, window(), sizeof value);
        return value;
    }

  private:
    struct Kept {
        Fs::Submission request;
        std::string content;
        bool answered;
    };
    Result<> try_to_resume();
    Result<Answer> run(const Fs::Submission& request, std::string_view content);
    void note(const Fs::Completion& completion);

    const Client<Fs>& server_;
    const u64 mount_;
    u64 session_ = 0;
    Fs::Attach where_{};
    Fs::Open::Reply facts_{};
    Handle<Memory> link_;
    Mapping mapping_;
    QueueClient<Fs::Submission, Fs::Completion> queue_;
    std::map<u64, Kept> kept_;
    std::map<u64, Fs::FileId> held_;
    std::map<u64, Fs::FileId> released_;  ///< by the number of the change, which is not committed
    bool resuming_ = false;
    u64 last_ = 0, committed_ = 0, ids_ = 0, repeated_ = 0;
};

const Handle<Signal>& own_signal();

}  // namespace pith::test
