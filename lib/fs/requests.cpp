// SPDX-License-Identifier: MIT
// The ring: submitting, and taking completions.
#include "lib/fs/requests.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace pith {

Result<> FsRequests::check(const Fs::Open::Reply& reply) const {
    constexpr u64 kRing = queue_size<Fs::Submission, Fs::Completion>(Fs::kEntries);
    constexpr u64 kLeast = 64 << 10;
    constexpr u64 kMost = u64{1} << 40;
    if (reply.window_offset < kRing || reply.window_offset % abi::kPageSize != 0 ||
        reply.window_offset > kMost || reply.window_size < kLeast || reply.window_size > kMost)
        return Error::protocol;
    if (known_ && (reply.window_offset != shape_.window_offset || reply.window_size != shape_.window_size))
        return Error::protocol;
    return {};
}

void FsRequests::open(std::span<u8> link, const Fs::Open::Reply& reply) {
    close();
    shape_ = reply;
    known_ = true;
    const u64 usable = std::min<u64>(reply.window_size, u64{FsWindow::kMaxPages} * FsWindow::kPage);
    window_ = link.subspan(reply.window_offset, reply.window_size);
    now_size_ = static_cast<u32>(std::min<u64>(kMaxNow, usable / 8 / FsWindow::kPage * FsWindow::kPage));
    places_.reset(usable - now_size_);
    // Several callers are to find a place at a time.
    max_transfer_ = static_cast<u32>(
        std::min<u64>(kMaxTransfer, places_.size() / 4 / FsWindow::kPage * FsWindow::kPage));
    static_cast<void>(queue_.attach(link.data(), reply.window_offset, Fs::kEntries, Handle<Signal>(), 0));
    queue_.reset();
    broken_ = false;
    attach_error_ = Error::ok;
    phase_ = Phase::attaching;
    control(Fs::Operation::attach, {});
}

/// Looks that were under way wait again, before the others, in their order; changes are in the log anyway.
void FsRequests::close() {
    phase_ = Phase::closed;
    submitted_ = detaching_ = false;
    redo_ = nullptr;
    holding_ = nullptr;
    while (used_slots_ != 0) {
        Slot& newest = *std::ranges::max_element(slots_, {}, &Slot::id);
        FsRequest& request = *newest.request;
        free_slot(newest);
        if (request.changes() || &request == &control_ || &request == &commit_) continue;
        waiting_.push_front(request);
        ++waiting_count_;
    }
}

void FsRequests::fail_all(Error error) {
    close();
    failed_ = error;
    tell(control_, error);
    Waiting releases;
    u32 count = 0;
    while (FsRequest* request = waiting_.pop_front()) {
        if (!request->releases()) {
            give_up(*request, error);
            continue;
        }
        releases.push_back(*request);
        ++count;
    }
    while (FsRequest* request = releases.pop_front()) waiting_.push_back(*request);
    waiting_count_ = count;
    for (FsRequest* change = kept_.front(); change != nullptr;) {
        FsRequest& each = *change;
        change = kept_.next(each);
        if (each.sent && !each.answered && !each.releases()) give_up(each, error);
    }
}

void FsRequests::enqueue(FsRequest& request) {
    waiting_.push_back(request);
    ++waiting_count_;
    pump();
}

void FsRequests::pump() {
    if (phase_ == Phase::redoing && !redo()) return;
    if (phase_ != Phase::running || detaching_ || !pump_commit()) return;
    while (FsRequest* request = waiting_.front()) {
        if (request->changes() && kept_sent_ >= 2 * kMaxKept)
            return;  // until the commit that is under way is done
        const bool unwanted = !request->changes() && request->caller == nullptr;
        // Nothing else may be under way when the file system is unmounted.
        if (request->operation() == Fs::Operation::detach && used_slots_ != 0 && !unwanted) return;
        if (!unwanted && !send(*request)) return;
        Waiting::remove(*request);
        --waiting_count_;
        if (!request->under_way) give_up(*request, Error::ok);  // nobody wants it, or there is nothing to do
        else if (request->operation() == Fs::Operation::detach) detaching_ = true;
        if (detaching_) return;
        if (kept_sent_ > kMaxKept && !pump_commit()) return;
    }
}

/// Has the log committed when it has become long. False: the ring is broken.
bool FsRequests::pump_commit() {
    if (kept_sent_ <= kMaxKept || commit_.under_way) return true;
    commit_.entry.operation = static_cast<u32>(Fs::Operation::commit);
    commit_.through = life_sent_;
    return send(commit_) || phase_ == Phase::running;
}

/// False: there is no room now, or the ring is broken. Not under way after true: there was nothing to do.
bool FsRequests::send(FsRequest& request) {
    const bool now = &request == &now_;
    if (used_slots_ >= (now ? Fs::kEntries : Fs::kEntries - 1)) return false;
    const u32 size = request.entry.place_size;
    u64 place = 0;
    if (size != 0) {
        const Result<u64> taken = now ? places_.size() : places_.take(size);
        if (!taken.ok()) return false;
        place = taken.value();
        if (!fill_place(request, place)) {
            places_.give(place, size);
            return true;
        }
    }
    return enter(request, place);
}

/// False: there is nothing to be written any more.
bool FsRequests::fill_place(FsRequest& request, u64 place) {
    u8* const to = window_.data() + place;
    if (const u32 names = request.names_size(); names != 0) std::memcpy(to, request.names(), names);
    if (request.operation() == Fs::Operation::attach) std::memcpy(to, &where_, sizeof(where_));
    if (request.data == nullptr) return true;
    const usize length = request.data->copy({to, request.entry.length});
    request.entry.length = std::min<u64>(request.entry.length, length);
    return length != 0;
}

bool FsRequests::enter(FsRequest& request, u64 place) {
    const u32 number = static_cast<u32>(std::countr_one(used_mask_));
    request.entry.id = ++submissions_ * Fs::kEntries | number;
    request.entry.place = place;
    request.entry.flags = (request.entry.flags & ~Fs::kAnswered) | (request.answered ? Fs::kAnswered : 0);
    const Result<> entered = queue_.submit(request.entry);
    if (!entered.ok()) {
        // Full although few are under way: what was completed has never been taken.
        violated();
        return false;
    }
    slots_[number] = {request.entry.id, &request, place};
    used_mask_ |= u64{1} << number;
    ++used_slots_;
    submitted_ = true;
    request.under_way = true;
    if (!request.changes()) return true;
    life_sent_ = request.entry.change;
    ever_sent_ = std::max(ever_sent_, life_sent_);
    if (!request.sent) ++kept_sent_;
    request.sent = true;
    return true;
}

void FsRequests::free_slot(Slot& slot) {
    FsRequest& request = *slot.request;
    if (request.entry.place_size != 0 && &request != &now_)
        places_.give(slot.place, request.entry.place_size);
    request.under_way = false;
    used_mask_ &= ~(u64{1} << (slot.id % Fs::kEntries));
    --used_slots_;
    slot = Slot();
}

void FsRequests::serve() {
    drain();
    if (phase_ != Phase::closed) pump();
}

void FsRequests::drain() {
    Fs::Completion completion;
    while (phase_ != Phase::closed && queue_.poll(completion)) {
        if (!complete(completion)) return violated();
    }
    if (phase_ != Phase::closed && queue_.broken()) violated();
}

bool FsRequests::complete(const Fs::Completion& completion) {
    Slot& slot = slots_[completion.id % Fs::kEntries];
    if (slot.id == 0 || slot.id != completion.id) return false;
    FsRequest& request = *slot.request;
    Answer answer;
    if (!check(request, slot, completion, answer)) return false;
    read_only_ = (attached_.flags & Fs::kReadOnly) != 0 || (completion.flags & Fs::kReadOnly) != 0;
    available_ = completion.available;
    const Slot was = slot;
    free_slot(slot);
    if (request.changes()) answer_change(request, answer);
    else answer_look(request, was, answer);
    if (phase_ != Phase::closed && answer.committed > committed_) commit_to(answer.committed);
    return true;
}

void FsRequests::violated() {
    Waiting given_up;
    for (Slot& slot : slots_) {
        if (slot.id == 0 || ++slot.request->attempts < kMaxAttempts) continue;
        FsRequest& request = *slot.request;
        free_slot(slot);
        if (&request == &control_) attach_error_ = Error::protocol;
        else if (&request != &commit_) given_up.push_back(request);
    }
    if (attach_error_ != Error::ok) control_.attempts = 0;
    close();
    broken_ = true;
    while (FsRequest* request = given_up.pop_front()) give_up(*request, Error::protocol);
}

}  // namespace pith
