// SPDX-License-Identifier: MIT
// BlockCounter: counts what is done on a disk (Block::Counts), wherever the numbers lie: a driver's in its preserved Memory. Whoever
// counts says what time it is. One thread.
#pragma once

#include "abi/types.hpp"
#include "protocol/block.hpp"

namespace pith {

class BlockCounter {
  public:
    explicit BlockCounter(Block::Counts& counts) : counts_(counts) {}
    BlockCounter(const BlockCounter&) = delete;
    BlockCounter& operator=(const BlockCounter&) = delete;

    /// A request is under way.
    void begin(abi::Time time) {
        if (under_way_++ == 0) busy_since_ = time;
    }
    /// One is no more, whatever became of it.
    void end(abi::Time time) {
        if (--under_way_ == 0) counts_.busy_time += time - busy_since_;
    }
    /// The device is done with a request that was begun at `since`, and that `merged` others were part of.
    void count(Block::Operation operation, u64 sectors, u64 merged, abi::Time since, abi::Time time) {
        Block::Done& done = operation == Block::Operation::read    ? counts_.reads
                            : operation == Block::Operation::write ? counts_.writes
                                                                   : counts_.flushes;
        done.requests++;
        done.merged += merged;
        done.sectors += sectors;
        done.time += time - since;
    }
    Block::Statistics::Reply report(abi::Time time) const {
        Block::Statistics::Reply reply{counts_, under_way_};
        if (under_way_ != 0) reply.counts.busy_time += time - busy_since_;
        return reply;
    }

  private:
    Block::Counts& counts_;
    u64 under_way_ = 0;
    abi::Time busy_since_ = 0;
};

}  // namespace pith
