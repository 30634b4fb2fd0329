// SPDX-License-Identifier: MIT
// Random numbers that nobody can guess: ChaCha20 (RFC 8439) with a key from the processor, the clock and the addresses at the start, which each block of
// output replaces.
#pragma once

#include "abi/types.hpp"

namespace pith::net_server {

class Random {
  public:
    Random();
    u64 next();

  private:
    void refill();
    u32 key_[8] = {};
    u64 counter_ = 0;
    u64 output_[4];
    u32 left_ = 0;
};

}  // namespace pith::net_server
