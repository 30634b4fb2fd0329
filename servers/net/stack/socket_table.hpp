// SPDX-License-Identifier: MIT
// The sockets, by number. They are there in groups from the first time that one is asked for: of the 4,096 most are never used, and a stack that is born again
// is to serve at once. With the sockets of a group come their Blocks in the link, which are touched only then; and that there is the group is written
// down first, for a successor.
#pragma once

#include "servers/net/stack/port.hpp"
#include "servers/net/stack/socket.hpp"

namespace pith::stack {

class SocketTable {
  public:
    static constexpr u32 kGroup = 64;

    /// `memory`: of the stack's reserve, for Net::kSockets of them. `noted`: a bit for each group that there was, in preserved Memory.
    SocketTable(Port& port, Socket* memory, Net::Block* blocks, u64& noted)
        : port_(port), sockets_(memory), blocks_(blocks), noted_(noted) {}

    Socket& operator[](u32 number) {
        if (!has(number)) make(number / kGroup);
        return sockets_[number];
    }
    /// Somebody has asked for it, or for one near it. Otherwise it is of no kind.
    bool has(u32 number) const { return (groups_ >> number / kGroup & 1) != 0; }
    /// Whether it is in use.
    bool used(u32 number) const { return has(number) && sockets_[number].kind != Net::Kind::none; }

    /// The next number from `number` on, or that, of a group that there is or was in a predecessor's life; Net::kSockets: none. The group is there then.
    u32 noted(u32 number);
    /// For a session that has just begun, all groups are noted that there are.
    void note_all() { noted_ = groups_; }

    /// Those that are there. More may come meanwhile.
    class Iterator {
      public:
        Iterator(const SocketTable& table, u32 number) : table_(table), number_(number) { skip(); }
        Socket& operator*() const { return table_.sockets_[number_]; }
        Iterator& operator++() {
            number_++;
            skip();
            return *this;
        }
        bool operator!=(const Iterator& other) const { return number_ != other.number_; }

      private:
        void skip() {
            while (number_ < Net::kSockets && !table_.has(number_)) number_ += kGroup;
        }
        const SocketTable& table_;
        u32 number_;
    };
    Iterator begin() const { return {*this, 0}; }
    Iterator end() const { return {*this, Net::kSockets}; }

  private:
    static_assert(Net::kSockets == kGroup * 64);
    void make(u32 group);

    Port& port_;
    Socket* const sockets_;
    Net::Block* const blocks_;
    u64& noted_;
    u64 groups_ = 0;
};

}  // namespace pith::stack
