// SPDX-License-Identifier: MIT
// The zone's random numbers: ChaCha20 (RFC 8439) keyed with entropy from the host and the processor; the key is
// replaced after each request, so that what was given out cannot be found again.
#pragma once

#include <span>

#include "abi/types.hpp"

namespace pith::lx {

class RandomSource {
  public:
    /// Mixes bytes into the key.
    void add_entropy(std::span<const u8> bytes);
    /// Mixes in what the processor gives (RDRAND), where it has it.
    void add_processor_entropy();
    void fill(void* to, usize size);

  private:
    void block(u32 (&out)[16]);
    u32 key_[8] = {};
    u64 counter_ = 0;
};

}  // namespace pith::lx
