// SPDX-License-Identifier: MIT
#include "lib/block/requests.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace pith {

namespace {

constexpr u64 kMostSectors = u64{1} << 54;  // bytes that a signed 64-bit number can hold

/// What a driver may say of one request; all else is the device's fault.
Error checked(u32 error) {
    switch (static_cast<Error>(error)) {
        case Error::ok:
        case Error::invalid:
        case Error::access:
        case Error::no_space: return static_cast<Error>(error);
        default: return Error::io;
    }
}

}  // namespace

BlockPlace::BlockPlace(BlockPlace&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), first_(other.first_), count_(other.count_) {}

BlockPlace& BlockPlace::operator=(BlockPlace&& other) noexcept {
    if (this != &other) {
        reset();
        owner_ = std::exchange(other.owner_, nullptr);
        first_ = other.first_;
        count_ = other.count_;
    }
    return *this;
}

std::span<u8> BlockPlace::bytes() const {
    return owner_->window_.subspan(first_ * BlockWindow::kUnit, count_ * BlockWindow::kUnit);
}

void BlockPlace::reset() {
    if (BlockRequests* owner = std::exchange(owner_, nullptr)) owner->give_back(first_, count_);
}

BlockRequest::~BlockRequest() {
    if (link_.linked()) BlockRequests::Waiting::remove(*this);
    if (owner_ != nullptr) owner_->slots_[slot_].request = nullptr;
}

BlockPlaceRequest::~BlockPlaceRequest() {
    if (link_.linked()) BlockRequests::Places::remove(*this);
}

Result<> BlockRequests::check(const Block::Open::Reply& reply) const {
    constexpr u64 kRing = queue_size<Block::Submission, Block::Completion>(Block::kEntries);
    constexpr u64 kMost = u64{1} << 40;
    if (reply.sectors > kMostSectors || reply.max_sectors == 0 || reply.window_offset < kRing ||
        reply.window_offset % abi::kPageSize != 0 || reply.window_offset > kMost ||
        reply.window_size < BlockWindow::kUnit || reply.window_size > kMost ||
        !std::has_single_bit(reply.granularity) || reply.granularity > Block::kMaxGranularity ||
        reply.max_sectors < reply.granularity || reply.sectors % reply.granularity != 0)
        return Error::protocol;
    if (known_ && (reply.sectors != shape_.sectors || reply.window_offset != shape_.window_offset ||
                   reply.window_size != shape_.window_size || reply.max_sectors != shape_.max_sectors ||
                   reply.flags != shape_.flags || reply.granularity != shape_.granularity))
        return Error::protocol;
    return {};
}

void BlockRequests::attach(std::span<u8> link, const Block::Open::Reply& reply) {
    const std::span<u8> window = link.subspan(reply.window_offset, reply.window_size);
    take_back();
    if (known_) {
        copy_places(window_, window);
    } else {
        shape_ = reply;
        units_.reset(reply.window_size);
        const u64 largest = std::min<u64>(
            u64{std::min<u32>(reply.max_sectors, kMaxPlace / Block::kSectorSize)} * Block::kSectorSize,
            kMaxPlace);
        // Several callers are to find a place at a time.
        place_units_ = std::max<u32>(
            std::min<u32>(static_cast<u32>((largest + BlockWindow::kUnit - 1) / BlockWindow::kUnit),
                          units_.units() / 4),
            1);
        max_sectors_ = std::min<u32>(
            reply.max_sectors, place_units_ * static_cast<u32>(BlockWindow::kUnit / Block::kSectorSize));
        max_sectors_ -= max_sectors_ % reply.granularity;
        known_ = true;
    }
    window_ = window;
    static_cast<void>(queue_.attach(link.data(), reply.window_offset, Block::kEntries, Handle<Signal>(), 0));
    queue_.reset();
    open_ = true;
    broken_ = false;
    failed_ = Error::ok;
    give_places();
    submit_waiting();
}

void BlockRequests::copy_places(std::span<const u8> from, std::span<u8> to) const {
    if (from.data() == to.data()) return;
    for (u32 unit = 0; unit < units_.units(); ++unit) {
        if (units_.taken(unit))
            std::memcpy(to.data() + unit * BlockWindow::kUnit, from.data() + unit * BlockWindow::kUnit,
                        BlockWindow::kUnit);
    }
}

void BlockRequests::detach() {
    open_ = false;
    submitted_ = false;
}

void BlockRequests::fail_all(Error error) {
    detach();
    failed_ = error;
    take_back();
    while (BlockRequest* first = waiting_.pop_front()) answer(*first, error);
    give_places();
}

void BlockRequests::answer(BlockRequest& request, Error error) {
    request.error = error;
    request.done(request);
}

void BlockRequests::add(BlockRequest& request) {
    if (failed_ != Error::ok) return answer(request, failed_);
    const bool flush = request.operation == Block::Operation::flush;
    if (request.operation == Block::Operation::write && read_only()) return answer(request, Error::access);
    if (!flush && (request.place == nullptr || !request.place->valid() || request.sectors == 0 ||
                   request.sectors > max_sectors_ ||
                   u64{request.sectors} * Block::kSectorSize > request.place->size() ||
                   request.sector > shape_.sectors || request.sectors > shape_.sectors - request.sector ||
                   (request.sector | request.sectors) % shape_.granularity != 0))
        return answer(request, Error::invalid);
    waiting_.push_back(request);
    submit_waiting();
}

void BlockRequests::submit_waiting() {
    while (open_ && used_slots_ < Block::kEntries && !waiting_.empty()) {
        BlockRequest& request = *waiting_.front();
        const u32 number = static_cast<u32>(std::ranges::find(slots_, u64{0}, &Slot::id) - slots_);
        const bool flush = request.operation == Block::Operation::flush;
        Block::Submission entry{};
        entry.id = ++submissions_ * Block::kEntries | number;
        entry.operation = static_cast<u32>(request.operation);
        if (!flush) {
            entry.sectors = request.sectors;
            entry.sector = request.sector;
            entry.offset = u64{request.place->first_} * BlockWindow::kUnit;
        }
        const Result<> entered = queue_.submit(entry);
        if (!entered.ok()) {
            // Full with nothing under way: what was completed has never been taken.
            if (entered.error() != Error::would_block || used_slots_ == 0) violated();
            return;
        }
        waiting_.pop_front();
        request.owner_ = this;
        request.slot_ = number;
        slots_[number] = {entry.id, &request, flush ? 0 : request.place->first_,
                          flush ? 0 : request.place->count_, false};
        ++used_slots_;
        submitted_ = true;
    }
}

BlockRequest* BlockRequests::free_slot(Slot& slot) {
    const Slot old = std::exchange(slot, Slot());
    --used_slots_;
    if (old.request != nullptr) old.request->owner_ = nullptr;
    if (old.frees_place) give_back(old.first, old.count);
    return old.request;
}

void BlockRequests::serve() {
    if (!open_) return;
    Block::Completion completion;
    while (open_ && queue_.poll(completion)) {
        Slot& slot = slots_[completion.id % Block::kEntries];
        if (slot.id == 0 || slot.id != completion.id) return violated();
        if (BlockRequest* request = free_slot(slot)) answer(*request, checked(completion.error));
    }
    if (!open_) return;
    if (queue_.broken()) return violated();
    submit_waiting();
}

void BlockRequests::violated() {
    detach();
    broken_ = true;
    Waiting given_up;
    for (Slot& slot : slots_) {
        if (slot.id == 0 || slot.request == nullptr || ++slot.request->attempts_ < kMaxAttempts) continue;
        given_up.push_back(*free_slot(slot));
    }
    while (BlockRequest* first = given_up.pop_front()) answer(*first, Error::protocol);
}

/// What was under way goes to the front of those who wait, in its order.
void BlockRequests::take_back() {
    while (used_slots_ != 0) {
        Slot& newest = *std::ranges::max_element(slots_, {}, &Slot::id);
        if (BlockRequest* request = free_slot(newest)) waiting_.push_front(*request);
    }
}

void BlockRequests::add(BlockPlaceRequest& request) {
    places_.push_back(request);
    give_places();
}

/// Not while the link is closed: the device may still be at what was submitted, and so in places that have been given back.
void BlockRequests::give_places() {
    while (!places_.empty() && (open_ || failed_ != Error::ok)) {
        BlockPlaceRequest& request = *places_.front();
        request.error = failed_;
        if (failed_ == Error::ok) {
            const u64 units = (request.size + BlockWindow::kUnit - 1) / BlockWindow::kUnit;
            const Result<u32> taken = units > place_units_ ? Error::invalid
                                                           : units_.take(static_cast<u32>(units));
            if (taken.ok()) request.place = BlockPlace(*this, taken.value(), static_cast<u32>(units));
            else if (taken.error() == Error::would_block) return;
            request.error = taken.error();
        }
        places_.pop_front();
        request.done(request);
    }
}

/// A place whose request is still under way stays taken: the device may still use it.
void BlockRequests::give_back(u32 first, u32 count) {
    for (Slot& slot : slots_) {
        if (slot.id == 0 || slot.count == 0 || slot.first != first) continue;
        slot.frees_place = true;
        return;
    }
    units_.give(first, count);
    give_places();
}

}  // namespace pith
