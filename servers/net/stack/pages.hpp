// SPDX-License-Identifier: MIT
// The pages of the window that hold received bytes: which are free, and whose the others are. The number of a page is in its socket's half of the Block, where
// the client could change it: it counts only together with what is written here.
#pragma once

#include "protocol/net.hpp"
#include "servers/net/stack/socket.hpp"

namespace pith::stack {

class Pages {
  public:
    Pages() { clear(); }
    void clear();
    /// A free page for `slot` of the ring of `socket`; kNoPage: there is none.
    u16 allocate(u16 socket, u8 slot);
    /// Takes a certain page, of which a predecessor's Block tells; false: that can't be.
    bool claim(u16 page, u16 socket, u8 slot);
    bool owns(u16 page, u16 socket, u8 slot) const {
        return page < Net::kFirstSendPage && owners_[page].socket == socket && owners_[page].slot == slot;
    }
    void release(u16 page);
    u32 used() const { return used_; }
    u16 owner(u16 page) const { return owners_[page].socket; }

  private:
    struct Owner {
        u16 socket;
        u8 slot;
        u16 next;  ///< while it is free
        u16 previous;
    };
    void unlink(u16 page);

    Owner owners_[Net::kFirstSendPage];
    u16 free_;
    u32 used_;
};

}  // namespace pith::stack
