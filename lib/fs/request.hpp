// SPDX-License-Identifier: MIT
// What a request to a file system is made of: who waits for it (FsCaller), what is sent (FsRequest), the data of a write (FsData), and
// the file that a change keeps from going (FsHold).
//
// An FsRequest that looks lives until it is answered; one that changes until it is committed, or has failed. Its caller may go before.
#pragma once

#include <span>
#include <string_view>

#include "lib/base/list.hpp"
#include "lib/base/result.hpp"
#include "protocol/fs.hpp"

namespace pith {

/// The data of a write, where it stays until it is committed. It is asked for when the request is submitted, and again when it has to be
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

struct FsRequest;
struct FsHold;

/// Who waits for a request. `done` is called once, when the rest says how it ended; never if it was destroyed before.
class FsCaller {
  public:
    using Function = void (*)(FsCaller&);
    using Bytes = void (*)(FsCaller&, std::span<const u8>);
    explicit FsCaller(Function function) : done(function) {}
    FsCaller(const FsCaller&) = delete;
    FsCaller& operator=(const FsCaller&) = delete;
    ~FsCaller();
    Function done;
    Error error = Error::ok;
    u64 value = 0;
    std::span<u8> to;  ///< where the bytes go that come back
    Bytes bytes =
        nullptr;  ///< ... or who gets them where they have come, before `done`: the server may still write there
    Fs::Attributes attributes;  ///< of the operations that give them

  private:
    friend class FsRequests;
    FsRequest* request_ = nullptr;
};

/// A request, with all that it takes to submit it again. Owned by FsRequests.
struct FsRequest {
    static constexpr u32 kShortNames = 64;

    Fs::Submission entry{};  ///< without what submitting adds: id, place, kAnswered
    ListLink link;           ///< among those that wait for their turn, or are free to be used
    ListLink kept_link;      ///< among the changes that are not committed
    FsCaller* caller = nullptr;
    FsData* data = nullptr;
    FsHold* hold =
        nullptr;  ///< of a release: which one; of a change that holds, until it is answered: which one it may make
    u64 through = 0;  ///< of a commit: the last change before it
    char* long_names = nullptr;
    u32 attempts = 0;       ///< how often the server broke the protocol while it was under way
    bool sent = false;      ///< in some life of the server
    bool answered = false;  ///< in some life of the server, with success: it must not be undone
    bool under_way = false;
    bool pooled = false;  ///< not part of something else
    char short_names[kShortNames] = {};

    Fs::Operation operation() const { return static_cast<Fs::Operation>(entry.operation); }
    bool changes() const { return entry.change != 0; }
    const char* names() const { return long_names != nullptr ? long_names : short_names; }
    u32 names_size() const { return u32{entry.name_size} + entry.other_size; }
    /// A file is let go of: nobody waits for it, and it is not given up before it is done.
    bool releases() const { return operation() == Fs::Operation::release; }
};

inline FsCaller::~FsCaller() {
    if (request_ != nullptr) request_->caller = nullptr;
}

/// A file that is unlinked, or is about to be, and that a server is to keep until it is released.
struct FsHold {
    Fs::FileId file{};
    u64 since = 0;       ///< the first change that made it; 0: none was answered yet
    u32 unanswered = 0;  ///< changes under way that would make it
    FsRequest release;   ///< part of it, so that it can't fail for want of memory; begun if it has a number
    FsHold* next_in_bucket = nullptr;
    ListLink link;
    bool released() const { return release.entry.change != 0; }
};

}  // namespace pith
