// SPDX-License-Identifier: MIT
#include "servers/net/stack/shared.hpp"

namespace pith::stack {

void Shared::reset_rings() {
    link_.to_server.tail = link_.to_server.head = 0;
    link_.to_client.tail = link_.to_client.head = 0;
    // A client that died while it was reading would have gone on to all that came.
    std::atomic_ref(link_.to_client.reader_awake).store(0, std::memory_order_seq_cst);
    taken_ = entered_ = 0;
    broken_ = entered_any_ = false;
}

bool Shared::next(u32& number) {
    const u32 tail = std::atomic_ref(link_.to_server.tail).load(std::memory_order_acquire);
    if (tail == taken_ || broken_) return false;
    number = look(link_.to_server.numbers[taken_ % Net::kSockets]);
    broken_ = tail - taken_ > Net::kSockets || number >= Net::kSockets;
    return !broken_;
}

void Shared::take(u32 number) {
    std::atomic_ref(link_.to_server.head).store(++taken_, std::memory_order_release);
    std::atomic_ref(client(number).pending).exchange(0, std::memory_order_seq_cst);
}

void Shared::enter(u32 number) {
    if (std::atomic_ref(server(number).pending).exchange(1, std::memory_order_seq_cst) != 0) return;
    // A number is in there once at most, unless the client clears `pending` too early: its own entries are lost then.
    put(link_.to_client.numbers[entered_ % Net::kSockets], static_cast<u16>(number));
    std::atomic_ref(link_.to_client.tail).store(++entered_, std::memory_order_seq_cst);
    entered_any_ = true;
}

bool Shared::take_notification() {
    if (!entered_any_) return false;
    entered_any_ = false;
    return std::atomic_ref(link_.to_client.reader_awake).load(std::memory_order_seq_cst) == 0;
}

}  // namespace pith::stack
