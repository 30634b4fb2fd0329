// SPDX-License-Identifier: MIT
// A client of a file server that does by hand what protocol/fs.hpp asks of it: changes are kept until they are committed, and sent again to a reborn
// server. It stops the test with `failed` where the server breaks the protocol.
#pragma once

#include <string_view>
#include <vector>

#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/queue.hpp"
#include "protocol/fs.hpp"

namespace pith::test {

/// The server's, again and again; and the component's own Signal.
Handle<Endpoint> share_endpoint();
const Handle<Signal>& own_signal();

class Share {
  public:
    static constexpr u32 kSlots = 7;
    static constexpr u32 kPlaceSize = 64 * 1024;

    /// Opens, and attaches. With another session than before everything that is kept is forgotten.
    Result<> open(u64 session, u64 flags = 0);
    const Fs::Attached& attached() const { return attached_; }
    u64 opened() const { return opened_; }
    u64 last_change() const { return change_; }
    u64 committed() const { return committed_; }
    usize kept() const { return kept_.size(); }
    u64 window_size() const { return facts_.window_size; }

    /// Its bytes of the window.
    u8* place(u32 slot) const { return mapping_.as<u8>(facts_.window_offset + u64{slot} * kPlaceSize); }
    /// A request; what it takes is in its place already, `data` bytes of it besides the names.
    void submit(u32 slot, Fs::Submission request, usize data = 0, u32 place_size = kPlaceSize);
    void notify() { queue_.notify(); }
    /// What is completed next, or that slot.
    Fs::Completion next(u32& slot);
    Fs::Completion wait(u32 slot);
    Fs::Completion run(Fs::Submission request, std::string_view name = {}, std::string_view other = {});
    /// With a place of that size.
    Fs::Completion run_sized(Fs::Submission request, u32 size);
    /// As it is, without any check on this side.
    Fs::Completion run_raw(const Fs::Submission& request);

    // For what is short. The Error, and what comes back.
    Error lookup(Fs::FileId directory, std::string_view name, Fs::Attributes& found);
    Error attributes(Fs::FileId file, Fs::Attributes& found);
    Error create(Fs::FileId directory, std::string_view name, u32 mode, Fs::Attributes& made, u32 user = 0,
                 u32 group = 0);
    Error unlink(Fs::FileId directory, std::string_view name, Fs::FileId held = {});
    Error rename(Fs::FileId from, std::string_view name, Fs::FileId to, std::string_view new_name, u32 flags,
                 Fs::FileId replaced = {});
    Error write(Fs::FileId file, u64 offset, std::string_view text);
    Error read(Fs::FileId file, u64 offset, u64 length, std::string_view& found);
    Error release(Fs::FileId file);
    Error commit();
    bool failed() const { return failed_; }

  private:
    static constexpr u32 kControl = kSlots;
    struct Kept {
        Fs::Submission request;
        std::vector<u8> bytes;
        bool answered = false;
        Fs::FileId made{};
    };
    Result<> connect();
    Result<> attach();
    Result<> redo();
    bool poll(Fs::Completion& completion);
    void account(const Fs::Completion& completion);
    void keep_for_later(const Fs::Completion& completion);
    void put(const Kept& kept, u32 slot);
    Fs::Completion control(Fs::Submission request, const Kept* kept);
    void check(bool condition, int line);
    bool reborn();

    const Client<Fs> client_ = Client<Fs>(share_endpoint());
    Fs::Open::Reply facts_{};
    Fs::Attached attached_{};
    Mapping mapping_;
    QueueClient<Fs::Submission, Fs::Completion> queue_;
    u64 session_ = 0, flags_ = 0, change_ = 0, committed_ = 0, opened_ = 0;
    Fs::Submission requests_[kSlots + 1];
    bool busy_[kSlots + 1] = {};
    bool done_[kSlots + 1] = {};  // it is among early_
    std::vector<Kept> kept_;
    std::vector<Fs::FileId> holds_;
    std::vector<Fs::Completion> early_;  // of slots, taken while something else was waited for
    bool failed_ = false;
};

/// For the test's own lines.
void print_failure(int line);

}  // namespace pith::test
