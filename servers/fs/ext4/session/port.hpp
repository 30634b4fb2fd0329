// SPDX-License-Identifier: MIT
// What a session needs of its surroundings: the server (../mount.hpp), or a test.
#pragma once

#include <span>
#include <string_view>

#include "lib/ext4/file_system.hpp"
#include "protocol/fs.hpp"

namespace pith::ext4fs {

class Port {
  public:
    virtual ~Port() = default;
    /// The part of a disk where a file system is. Whatever was under way with an earlier one is over when it returns. Errors: not_found: no
    /// such disk; invalid: it does not reach so far; busy: another mount has it, or a part of it; io; ...
    virtual Result<ext4::BlockDevice*> open(const Fs::Attach& where) = 0;
    /// No file system is there any more.
    virtual void close() = 0;
    /// A request is done.
    virtual void complete(const Fs::Completion& completion) = 0;
    /// Brings pieces of the device to the window, at `place`, one behind the other; then the request is done, with that error if
    /// they can't be read. May return before.
    virtual void read(const Fs::Completion& completion, u64 place, std::span<const ext4::Piece> pieces) = 0;
    /// Returns when all reads are done.
    virtual void finish_reads() = 0;
    /// The time, for what no request says the time of.
    virtual ext4::Time now() = 0;
    /// Memory is running out: nothing new is to be begun.
    virtual bool memory_short() = 0;
    /// What is in memory makes no sense: ends this life, for the next one to look at what is on the disk. Returns if an earlier one ended so a short while ago:
    /// then it is the disk.
    virtual void start_over() = 0;
    /// For the log.
    virtual void report(std::string_view text) = 0;
};

}  // namespace pith::ext4fs
