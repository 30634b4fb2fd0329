// SPDX-License-Identifier: MIT
// A file server for the tests, as protocol/fs.hpp wants one: it carries out changes in order, looks in any, commits when it likes, and can
// die at any moment, after which it is what was committed.
#pragma once

#include <deque>
#include <random>
#include <vector>

#include "lib/os/queue.hpp"
#include "tests/host/fs/tree.hpp"

namespace pith::fs_test {

/// The link's memory; it outlives servers.
struct LinkMemory {
    static constexpr u64 kWindowOffset = 20480;
    explicit LinkMemory(u64 bytes = 256 << 10) : window(bytes), words((kWindowOffset + bytes) / 8) {}
    std::span<u8> bytes() { return {reinterpret_cast<u8*>(words.data()), words.size() * 8}; }
    Fs::Open::Reply shape() const { return {1, 1, kWindowOffset, window}; }
    u64 window;
    std::vector<u64> words;
};

class FakeServer {
  public:
    FakeServer(LinkMemory& link, u32 seed) : link_(link), random_(seed) {}
    /// Like Open: it becomes what is committed. The client has reset the ring.
    void open();
    /// Takes what was submitted.
    void take();
    /// Carries out one request, of those that may be next, and perhaps completes one. False: there was nothing to do.
    bool step();
    /// Takes and carries out all there is.
    void work();
    /// Some of it, for a ring that may be broken: anything may be in it.
    void careless_work();
    void commit();
    /// Fails the next commits that are asked for.
    bool commit_fails = false;
    /// Answers attach with it.
    Error attach_error = Error::ok;
    /// Writes come to so many bytes at most.
    u64 write_limit = ~u64{0};

    Tree tree;            ///< as it is
    Tree disk;            ///< as it was committed
    u64 last = 0;         ///< number of the last change
    u64 committed = 0;    ///< ... that is committed
    u64 carried_out = 0;  ///< requests ever
    u64 recoveries = 0;   ///< `recovered` ever
    u64 holds = 0;        ///< `hold` ever
    std::deque<Fs::Submission> todo;

  private:
    struct Done {
        Fs::Completion completion;
        bool change;
    };
    bool possible(usize index) const;
    void carry_out(const Fs::Submission& entry);
    Outcome look(const Fs::Submission& entry);
    Outcome list(const Fs::Submission& entry);
    std::span<u8> place(const Fs::Submission& entry);
    void complete(usize index);
    void complete_changes();

    LinkMemory& link_;
    std::mt19937 random_;
    QueueServer<Fs::Submission, Fs::Completion> queue_;
    std::deque<Done> done_;  ///< not told yet
    bool attached_ = false;
    bool careless_ = false;
};

}  // namespace pith::fs_test
