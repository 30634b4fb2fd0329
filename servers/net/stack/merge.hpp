// SPDX-License-Identifier: MIT
// Merging of received segments: those of one connection that come one behind the other become a single one before lwIP sees them, with all of their
// bytes, so that what a segment costs is paid once for many (Linux calls it generic receive offload). Each one's checksums were verified before.
#pragma once

#include <lwip/pbuf.h>
#include "servers/net/stack/demux.hpp"

namespace pith::stack {

/// What merging has to know of a segment with data.
struct Segment {
    u32 start = 0;     ///< of the TCP header in the frame
    u32 headers = 0;   ///< bytes of all headers
    u32 sequence = 0;  ///< number of the first byte
    u32 length = 0;    ///< bytes of data
    bool pushed = false;

    u32 end() const { return sequence + length; }
};

/// A segment that can be merged with others: with data, of which nothing but ACK and perhaps PSH is said, and the frame holds it and nothing else. Its
/// checksums are right; with `checksum_good` that of TCP is known to be. The headers lie in the packet's first piece, which nobody else can change; no piece
/// but the last has an odd length. False: lwIP is to see.
bool find_mergeable(const pbuf& packet, bool checksum_good, Segment& found);

/// It is what its connection waits for. What comes out of order is passed on one by one, as a sender counts the answers to it.
bool expected(const pbuf& packet, const Segment& segment, const Demux& connections);

class Merger {
  public:
    /// Nothing is held.
    bool empty() const { return first_ == nullptr; }
    /// The packet goes on where what is held ends; nothing goes on where nothing is held.
    bool continued_by(const pbuf& packet, const Segment& segment) const;
    /// Takes the packet: it is the first, or goes on where what is held ends.
    void add(pbuf* packet, const Segment& segment);
    /// Segments that are held.
    u32 count() const { return count_; }
    /// What is held, as one packet of lwIP's; the caller's.
    pbuf* take();

  private:
    static constexpr u32 kMost = 32;
    static constexpr u32 kMostBytes = 0xffff;  ///< of a packet of lwIP's

    pbuf* first_ = nullptr;
    pbuf* last_ = nullptr;  ///< of the chain
    Segment segment_;       ///< of the first, with the length of all
    u32 count_ = 0;
    bool complete_ = false;  ///< no more can follow
};

}  // namespace pith::stack
