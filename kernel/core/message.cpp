// SPDX-License-Identifier: MIT
// The transfer of one message: words from Frame to Frame, the rest from buffer to buffer through the kernel's
// mapping, and capabilities. What the sender did wrong fails before anything is changed; what the receiver
// lacks (slots) too. An answer is given all the same, as no_slot and nothing else: what it was to move has left its sender.
#include <string.h>

#include <algorithm>

#include "kernel/core/captable.hpp"
#include "kernel/core/ipc.hpp"
#include "kernel/core/lookup.hpp"
#include "kernel/core/reply.hpp"

namespace pith::core {
namespace {

/// One capability of a message. Without initial values: mostly there are none.
struct Passenger {
    u64 word;  ///< with the badge and the slot: what was found
    u64 badge;
    Slot* from;
    Slot* to;
    HandleIndex handle;  ///< of `to`
    RightsBits mask;
    bool move;

    Capability capability() const { return {word, badge, from}; }
};

/// Reads the sender's list: each must be valid, and may be copied or moved.
Error check_passengers(const Thread& from, std::span<Passenger> passengers) {
    for (usize i = 0; i < passengers.size(); i++) {
        const abi::MessageHandle wanted = from.buffer->handles[i];
        Passenger& passenger = passengers[i];
        passenger.move = (wanted.flags & abi::kHandleMove) != 0;
        passenger.mask = wanted.rights;
        passenger.from = from.captable->slot(wanted.handle);
        if (passenger.from == nullptr) return Error::bad_handle;
        const Capability found = read_slot(*passenger.from);
        if (found.word == 0 || !alive(*found.object())) return Error::bad_handle;
        passenger.word = found.word;
        passenger.badge = found.badge;
        if (found.object()->type == ObjectType::reply) {
            if (!passenger.move) return Error::no_right;
            passenger.mask = abi::kAllRights;
        } else if (!found.allows(abi::kRightCopy)) {
            return Error::no_right;
        }
        for (usize j = 0; j < i; j++) {
            const bool same = passengers[j].from == passenger.from;
            if (same && (passengers[j].move || passenger.move)) return Error::invalid;
        }
    }
    return Error::ok;
}

Error reserve_slots(const Thread& to, std::span<Passenger> passengers) {
    if (to.captable == nullptr) return Error::no_slot;
    for (usize i = 0; i < passengers.size(); i++) {
        auto slot = to.captable->reserve(abi::kNoHandle);
        if (!slot.ok()) {
            while (i != 0) CapTable::release(*passengers[--i].to);
            return Error::no_slot;
        }
        passengers[i].handle = *slot;
        passengers[i].to = to.captable->slot(*slot);
    }
    return Error::ok;
}

/// One capability goes over; an object that began to die meanwhile arrives as no handle.
void hand_over(const Passenger& passenger, abi::MessageHandle& result) {
    const Capability sent = passenger.capability();
    const Result<> done = passenger.move
                              ? capability::move(sent, *passenger.to, passenger.mask)
                              : capability::derive(sent, *passenger.to, passenger.mask, passenger.badge);
    result = {abi::kNoHandle, 0, 0, 0};
    if (!done.ok()) {
        CapTable::release(*passenger.to);
        return;
    }
    if (passenger.move) CapTable::release(*passenger.from);
    result.handle = passenger.handle;
    result.rights = static_cast<RightsBits>(sent.rights() & passenger.mask);
    result.flags = passenger.move ? abi::kHandleMove : u8{0};
}

}  // namespace

Error check_message(Thread& from) {
    const abi::Tag tag(from.frame.tag());
    if (tag.buffer_words() > abi::kBufferWords || tag.handles() > abi::kMessageHandles) return Error::invalid;
    Passenger passengers[abi::kMessageHandles];
    return check_passengers(from, {passengers, tag.handles()});
}

Error transfer_load_locked(Thread& from, Thread& to, Error& receiver_error) {
    receiver_error = Error::ok;
    const abi::Tag tag(from.frame.tag());
    const u32 words = tag.buffer_words();
    const u32 handles = tag.handles();
    if (words > abi::kBufferWords || handles > abi::kMessageHandles) return Error::invalid;
    if (handles != 0) {
        Passenger passengers[abi::kMessageHandles];
        const std::span<Passenger> used(passengers, handles);
        if (Error error = check_passengers(from, used); error != Error::ok) return error;
        receiver_error = reserve_slots(to, used);
        if (receiver_error != Error::ok) return Error::ok;
        for (u32 i = 0; i < handles; i++) hand_over(passengers[i], to.buffer->handles[i]);
    }
    if (words != 0) memcpy(to.buffer->words, from.buffer->words, words * sizeof(u64));
    return Error::ok;
}

Error transfer_locked(Thread& from, Thread& to, u64 badge, Error& receiver_error) {
    const Error error = transfer_load_locked(from, to, receiver_error);
    if (error != Error::ok || receiver_error != Error::ok) return error;
    from.frame.copy_words_to(to.frame);
    to.frame.set_badge(badge);
    to.frame.set_tag(from.frame.tag() & ~abi::kTagKernel);
    to.frame.set_error(Error::ok);
    return Error::ok;
}

void drop_moved(Thread& from) {
    constexpr u32 kSteps = 65;  // what has more children than those does not move, nor go
    const u32 handles = abi::Tag(from.frame.tag()).handles();
    for (u32 i = 0; i < handles; i++) {
        const abi::MessageHandle sent = from.buffer->handles[i];
        if ((sent.flags & abi::kHandleMove) == 0) continue;
        auto found = lookup_any(from, sent.handle);
        if (!found.ok()) continue;
        for (u32 step = 0; step < kSteps && delete_step(*found) == capability::Removal::more; step++) {}
    }
}

}  // namespace pith::core
