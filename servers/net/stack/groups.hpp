// SPDX-License-Identifier: MIT
// Multicast groups: the interface is in those that the client's table in the link names (protocol/net.hpp). Nothing is kept of them: a successor
// reads the table, and joins again.
#pragma once

#include "protocol/net.hpp"

struct netif;

namespace pith::stack {

class Groups {
  public:
    /// The client's table is another one than was last taken.
    bool changed(const Net::Link& link) const;
    /// Joins and leaves groups so that they are the table's; entries that can't be are left out.
    void take(const Net::Link& link, netif& device);
    /// Empties the table, for a client that has written none yet.
    void clear(Net::Link& link);

  private:
    static constexpr u32 kNone = ~u32{0};  ///< odd, so no table's
    u32 taken_ = kNone;
    u32 count_ = 0;
    Net::Group joined_[Net::kMaxGroups];
};

}  // namespace pith::stack
