// SPDX-License-Identifier: MIT
#include "servers/net/stack/pages.hpp"

#include "lib/base/assert.hpp"

namespace pith::stack {

void Pages::clear() {
    for (u16 i = 0; i < Net::kFirstSendPage; i++)
        owners_[i] = {kNoSocket, 0, static_cast<u16>(i + 1 == Net::kFirstSendPage ? Net::kNoPage : i + 1),
                      static_cast<u16>(i == 0 ? Net::kNoPage : i - 1)};
    free_ = 0;
    used_ = 0;
}

void Pages::unlink(u16 page) {
    const Owner& owner = owners_[page];
    if (owner.previous != Net::kNoPage) owners_[owner.previous].next = owner.next;
    else free_ = owner.next;
    if (owner.next != Net::kNoPage) owners_[owner.next].previous = owner.previous;
}

bool Pages::claim(u16 page, u16 socket, u8 slot) {
    if (page >= Net::kFirstSendPage || owners_[page].socket != kNoSocket) return false;
    unlink(page);
    owners_[page] = {socket, slot, Net::kNoPage, Net::kNoPage};
    used_++;
    return true;
}

u16 Pages::allocate(u16 socket, u8 slot) {
    const u16 page = free_;
    if (page == Net::kNoPage) return page;
    claim(page, socket, slot);
    return page;
}

void Pages::release(u16 page) {
    PITH_ASSERT(owners_[page].socket != kNoSocket);
    owners_[page] = {kNoSocket, 0, free_, Net::kNoPage};
    if (free_ != Net::kNoPage) owners_[free_].previous = page;
    free_ = page;
    used_--;
}

}  // namespace pith::stack
