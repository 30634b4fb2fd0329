// SPDX-License-Identifier: MIT
// The random numbers of a run: all of what is chosen comes from one seed, so a run can be repeated.
#pragma once

#include "abi/types.hpp"

namespace pith::chaos {

class Random {
  public:
    explicit Random(u64 seed) : state_(seed) {}
    /// 64 random bits: a counter, scrambled (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    u64 next() {
        state_ += 0x9e37'79b9'7f4a'7c15;
        u64 z = state_;
        z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
        z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
        return z ^ z >> 31;
    }
    /// From 0 to `count` - 1; `count` is not 0.
    u64 below(u64 count) { return next() % count; }

  private:
    u64 state_;
};

}  // namespace pith::chaos
