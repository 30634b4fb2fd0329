// SPDX-License-Identifier: MIT
// Frames of protocol/mux.hpp to wire bytes and back. No allocation, no locks; used by the host's runner and
// by the console server alike.
#pragma once

#include <span>

#include "protocol/mux.hpp"

namespace pith::mux {

/// CRC-32 (IEEE 802.3, reflected) of `bytes`, continuing from `seed` (0 to begin).
u32 crc32(std::span<const u8> bytes, u32 seed = 0);

/// Writes one frame to `wire`, which must hold kMaxWireFrame bytes; returns how many it took.
/// `payload` is at most kMaxPayload bytes; header.length is set from it.
usize encode(FrameHeader header, std::span<const u8> payload, std::span<u8> wire);

/// Collects wire bytes and finds the frames in them.
class Decoder {
  public:
    /// A frame whose CRC is right. The payload lies in the Decoder until its next `next`.
    struct Frame {
        FrameHeader header;
        std::span<const u8> payload;
    };

    /// Consumes bytes from the front of `wire` until a whole good frame was found (true) or none are left.
    bool next(std::span<const u8>& wire, Frame& frame);

    /// Forgets a partial frame; what follows up to the next flag is ignored.
    void reset();

    u64 bad_frames() const { return bad_frames_; }

  private:
    bool finish(Frame& frame);

    usize length_ = 0;
    bool escaped_ = false;
    bool skipping_ = true;  // until the first flag
    u64 bad_frames_ = 0;
    alignas(8) u8 body_[kMaxBody];
};

}  // namespace pith::mux
