// SPDX-License-Identifier: MIT
// Requests that look, and `commit`: the host writes to its disk what was changed since the last one.
#pragma once

#include "servers/fs/virtio_9p/job.hpp"
#include "servers/fs/virtio_9p/tree.hpp"

namespace pith::virtio_9p {

class Looks {
  public:
    Looks(Tree& tree, Channel& channel) : tree_(tree), channel_(channel) {}
    /// The Completion's value.
    Task<Result<u64>> run(Line& line, const Job& job);
    Task<Result<>> commit(Line& line);

  private:
    /// A commit: several coroutines, each with a line, take one file after the other.
    struct Round {
        u32 next = 0;  ///< record to go on with
        u32 helpers = 0;
        std::coroutine_handle<> waiter;  ///< for the last of them
        Error error = Error::ok;
        bool await_ready() const { return helpers == 0; }
        void await_suspend(std::coroutine_handle<> coroutine) { waiter = coroutine; }
        void await_resume() const {}
    };
    static constexpr u32 kHelpers = 7;  ///< so many slots that others can go on
    Task<Result<>> work(Line& line, Round& round);
    Task<void> help(Round& round);
    Task<Result<u64>> lookup(Line& line, const Job& job);
    Task<Result<u64>> read(Line& line, const Job& job);
    Task<Result<u64>> list(Line& line, const Job& job);
    Task<Result<u64>> read_link(Line& line, const Job& job);
    Task<Result<u64>> seek(Line& line, const Job& job);
    Task<Result<>> sync(Line& line, Fs::FileId file);
    Result<usize> take_entries(Reader entries, bool root, std::span<u8> to, u64& cookie, bool& full) const;
    Tree& tree_;
    Channel& channel_;
};

}  // namespace pith::virtio_9p
