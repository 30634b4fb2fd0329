// SPDX-License-Identifier: MIT
#include "lib/driver/block/requests.hpp"

#include <algorithm>

namespace pith {

Result<> DiskRequests::start() {
    if (works_) return {};
    recoveries_ = 0;
    const Result<DiskFacts> started = device_.start();
    works_ = started.ok();
    if (works_) {
        facts_ = started.value();
        return {};
    }
    device_.stop();
    return started.error() == Error::no_memory ? Error::no_memory : Error::io;
}

u32 DiskRequests::max_sectors(u32 client) const {
    return static_cast<u32>(
        std::min<u64>(facts_.max_sectors, clients_[client].window_size() / Block::kSectorSize));
}

void DiskRequests::detach(u32 client) {
    clients_[client].attached = false;
    clients_[client].answered = false;
    clients_[client].ahead.reset();
}

void DiskRequests::attach(u32 client, const DiskLink& link, Handle<Signal> signal, u64 bits) {
    Client& c = clients_[client];
    c.link = link;
    *reinterpret_cast<QueueHeader*>(link.bytes) = QueueHeader{kQueueMagic, Block::kEntries, 0, 0, 0, 0};
    // There is room for the ring in any link.
    static_cast<void>(c.queue.attach(link.bytes, kWindowOffset, Block::kEntries, std::move(signal), bits));
    c.queue.resume();
    c.attached = true;
    c.answered = false;
    note({DiskRecord::opened, client, facts_.sectors});
}

Result<> DiskRequests::check(u32 client, const Block::Submission& r) const {
    switch (static_cast<Block::Operation>(r.operation)) {
        case Block::Operation::flush:
            return r.sector == 0 && r.sectors == 0 && r.offset == 0 ? Result<>() : Result<>(Error::invalid);
        case Block::Operation::write:
            if ((facts_.flags & Block::kReadOnly) != 0) return Error::access;
            break;
        case Block::Operation::read: break;
        default: return Error::invalid;
    }
    if (r.sectors == 0 || r.sectors > max_sectors(client) || r.sector > facts_.sectors ||
        r.sectors > facts_.sectors - r.sector || (r.sector | r.sectors) % facts_.granularity != 0)
        return Error::invalid;
    const u64 bytes = r.sectors * Block::kSectorSize;
    const u64 window = clients_[client].window_size();
    if (r.offset % Block::kSectorSize != 0 || r.offset > window || bytes > window - r.offset)
        return Error::invalid;
    return {};
}

/// The client's next request is in `ahead`; false: there is none.
bool DiskRequests::look_ahead(Client& client) {
    if (client.ahead) return true;
    Block::Submission next;
    if (client.queue.take(next)) client.ahead = next;
    return client.ahead.has_value();
}

/// The next request, of the clients in turn.
bool DiskRequests::take(Block::Submission& request, u32& client) {
    for (u32 asked = 0; asked < Block::kMaxClients; asked++) {
        client = turn_;
        turn_ = (turn_ + 1) % Block::kMaxClients;
        Client& c = clients_[client];
        if (!c.attached || !look_ahead(c)) continue;
        request = *c.ahead;
        c.ahead.reset();
        return true;
    }
    return false;
}

bool DiskRequests::serve() {
    submit_again();
    // Clients that submit without end aren't to keep the other disks waiting.
    Block::Submission request;
    u32 client;
    u32 turns = Block::kEntries;
    for (; turns != 0 && room() && take(request, client); turns--) take_up(client, request);
    if (works_) device_.publish();
    return turns != 0;
}

void DiskRequests::take_up(u32 client, const Block::Submission& request) {
    auto checked = check(client, request);
    if (checked.ok() && !works_) checked = Error::io;
    const bool nothing = request.operation == static_cast<u32>(Block::Operation::flush) && !facts_.flushes;
    if (!checked.ok() || nothing) return answer(client, request.id, checked.error());
    const u32 slot = enter(client, request, clock_());
    take_along(slot);
    note({DiskRecord::started, slot, request.sector});
    if (!submit(slot)) end(slot, Error::io, clock_());
}

/// In a slot, of which one is free.
u32 DiskRequests::enter(u32 client, const Block::Submission& request, abi::Time time) {
    const u32 slot = static_cast<u32>(std::countr_one(busy_));
    slots_[slot] = {request, client, request.sectors, kNone, time};
    busy_ |= bit(slot);
    clients_[client].under_way++;
    counter_.begin(time);
    return slot;
}

/// `request` goes on where the device's request of `first` ends, and there is room in that for it.
bool DiskRequests::continues(const Slot& first, const Block::Submission& request) const {
    const Block::Submission& r = first.request;
    return request.operation == r.operation && request.sector == r.sector + first.sectors &&
           request.offset == r.offset + first.sectors * Block::kSectorSize &&
           request.sectors <= max_sectors(first.client) - first.sectors && check(first.client, request).ok();
}

/// What the client has submitted next and continues the slot's request follows it.
void DiskRequests::take_along(u32 slot) {
    Slot& first = slots_[slot];
    Client& client = clients_[first.client];
    if (first.request.operation == static_cast<u32>(Block::Operation::flush)) return;
    for (u32 last = slot; ~busy_ != 0 && look_ahead(client) && continues(first, *client.ahead);) {
        const u32 next = enter(first.client, *client.ahead, first.since);
        client.ahead.reset();
        first.sectors += slots_[next].request.sectors;
        slots_[last].next = next;
        followers_ |= bit(next);
        last = next;
    }
}

bool DiskRequests::submit(u32 slot) {
    const Block::Submission& r = slots_[slot].request;
    const DiskLink& link = clients_[slots_[slot].client].link;
    const u64 offset = kWindowOffset + r.offset;
    return device_.submit(slot, {static_cast<Block::Operation>(r.operation), slots_[slot].sectors, r.sector,
                                 link.address + offset, link.bytes + offset});
}

/// The next that has to be submitted alone, and that somebody waits for, if there is room and the last one is done.
void DiskRequests::submit_again() {
    while (again_ != 0 && alone_ == 0 && device_.room()) {
        const u32 slot = static_cast<u32>(std::countr_zero(again_));
        again_ &= ~bit(slot);
        alone_ = bit(slot);
        if (!clients_[slots_[slot].client].attached || !submit(slot)) end(slot, Error::io, clock_());
    }
}

void DiskRequests::free(u32 slot, abi::Time time) {
    for (u64* const set : {&busy_, &followers_, &again_, &alone_}) *set &= ~bit(slot);
    clients_[slots_[slot].client].under_way--;
    counter_.end(time);
}

void DiskRequests::finish(u32 slot, Error error) {
    const Slot& done = slots_[slot];
    finished_++;
    if (error == Error::ok) recoveries_ = 0;
    note({DiskRecord::completed, slot, done.request.sector});
    if (error != Error::ok && done.next != kNone) return part(slot);
    const abi::Time time = clock_();
    const u32 requests = end(slot, error, time);
    counter_.count(static_cast<Block::Operation>(done.request.operation), done.sectors, requests - 1,
                   done.since, time);
}

/// Whose error it is, each of them alone will say.
void DiskRequests::part(u32 slot) {
    while (slot != kNone) {
        slots_[slot].sectors = slots_[slot].request.sectors;
        followers_ &= ~bit(slot);
        again_ |= bit(slot);
        slot = std::exchange(slots_[slot].next, kNone);
    }
}

/// Answers the slot's request and those that follow it; how many there were.
u32 DiskRequests::end(u32 slot, Error error, abi::Time time) {
    u32 count = 0;
    for (; slot != kNone; slot = slots_[slot].next, count++) {
        free(slot, time);
        answer(slots_[slot].client, slots_[slot].request.id, error);
    }
    return count;
}

void DiskRequests::answer(u32 client, u64 id, Error error) {
    Client& c = clients_[client];
    if (!c.attached) return;
    // A client that broke its Queue gets no answers; it may open again.
    static_cast<void>(c.queue.complete({id, static_cast<u32>(error), 0}));
    c.answered = true;
}

void DiskRequests::recover() {
    note({DiskRecord::recovered, recoveries_, under_way()});
    if (++recoveries_ > kMaxRecoveries) return give_up();
    const Result<DiskFacts> started = device_.start();
    if (!started.ok()) return give_up();
    facts_ = started.value();
    drop_unwanted();
    for (u64 left = busy_ & ~(followers_ | again_); left != 0; left &= left - 1)
        if (!submit(static_cast<u32>(std::countr_zero(left)))) return give_up();
}

/// It stays stopped; all that is asked of it fails, until it is started again.
void DiskRequests::give_up() {
    works_ = false;
    device_.stop();
    const abi::Time time = clock_();
    for (u64 left = busy_; left != 0; left &= left - 1) {
        const u32 slot = static_cast<u32>(std::countr_zero(left));
        free(slot, time);
        answer(slots_[slot].client, slots_[slot].request.id, Error::io);
    }
}

/// While the device has nothing: forgets what nobody waits for.
void DiskRequests::drop_unwanted() {
    const abi::Time time = clock_();
    for (u64 left = busy_; left != 0; left &= left - 1) {
        const u32 slot = static_cast<u32>(std::countr_zero(left));
        if (!clients_[slots_[slot].client].attached) free(slot, time);
    }
}

}  // namespace pith
