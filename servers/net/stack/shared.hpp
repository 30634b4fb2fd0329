// SPDX-License-Identifier: MIT
// The link (protocol/net.hpp) as the server uses it: single loads and stores of what the client may change at any time.
#pragma once

#include <atomic>
#include <span>

#include "protocol/net.hpp"

namespace pith::stack {

/// One load, never repeated by the compiler.
template <typename T>
T look(const T& field) {
    return *const_cast<const volatile T*>(&field);
}
template <typename T>
void put(T& field, std::type_identity_t<T> value) {
    *const_cast<volatile T*>(&field) = value;
}

class Shared {
  public:
    /// `memory`: Net::kLinkSize bytes.
    explicit Shared(std::span<u8> memory)
        : link_(*reinterpret_cast<Net::Link*>(memory.data())),
          window_(memory.data() + Net::kWindowOffset),
          taken_(look(link_.to_server.head)),
          entered_(look(link_.to_client.tail)) {}

    Net::Link& link() { return link_; }
    Net::ClientHalf& client(u32 number) { return link_.blocks[number].client; }
    Net::ServerHalf& server(u32 number) { return link_.blocks[number].server; }
    u8* page(u32 number) { return window_ + u64{number} * Net::kPageSize; }

    /// Both rings are empty. The client waits.
    void reset_rings();
    /// A number that the client has entered; false: there is none. broken(): the ring can't be.
    bool next(u32& number);
    /// That number is taken: a successor does not find it in the ring.
    void take(u32 number);
    /// Enters a number, unless it is in there.
    void enter(u32 number);
    /// The client is to be notified: numbers were entered, and it sleeps. Once.
    bool take_notification();
    /// The server looks again before it waits (true), or is about to wait: false comes back if there is something to take.
    void awake(bool yes) {
        std::atomic_ref(link_.to_server.reader_awake).store(yes ? 1 : 0, std::memory_order_seq_cst);
    }
    bool empty() { return std::atomic_ref(link_.to_server.tail).load(std::memory_order_seq_cst) == taken_; }
    bool broken() const { return broken_; }

  private:
    Net::Link& link_;
    u8* const window_;
    u32 taken_;
    u32 entered_;  ///< a client that has not opened again yet goes on reading where it is
    bool entered_any_ = false;
    bool broken_ = false;
};

}  // namespace pith::stack
