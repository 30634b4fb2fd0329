// SPDX-License-Identifier: MIT
// The redo log: changes from their beginning until they are committed, and the requests' memory.
#include <new>

#include "lib/fs/requests.hpp"

namespace pith {

namespace {
constexpr u32 kMostFree = 1024;  // requests that are not given back to the heap
}

FsRequests::~FsRequests() {
    end(Error::cancelled);
    while (FsRequest* request = free_.pop_front()) delete request;
}

void FsRequests::begin(const Fs::Attach& where, FsCaller* caller) {
    end(Error::cancelled);
    where_ = where;
    control_.caller = caller;
    if (caller != nullptr) caller->request_ = &control_;
}

void FsRequests::end(Error error) {
    fail_all(Error::bad_state);
    while (FsRequest* change = kept_.front()) {
        if (change->link.linked()) {
            Waiting::remove(*change);
            --waiting_count_;
        }
        forget(*change, error);
    }
    while (FsHold* hold = holds_.first()) holds_.remove(*hold);
    last_change_ = committed_ = ever_sent_ = life_sent_ = 0;
    lost_ = known_ = ever_attached_ = false;
}

FsRequest* FsRequests::allocate() {
    FsRequest* request = free_.pop_front();
    if (request != nullptr) {
        --free_count_;
        return request;
    }
    request = new (std::nothrow) FsRequest;
    if (request != nullptr) request->pooled = true;
    return request;
}

void FsRequests::free(FsRequest& request) {
    if (request.releases()) return holds_.remove(*request.hold);
    if (!request.pooled) return;
    delete[] std::exchange(request.long_names, nullptr);
    if (free_count_ == kMostFree) {
        delete &request;
        return;
    }
    free_.push_front(request);
    ++free_count_;
}

/// The changes up to `number` are committed, all of them carried out.
void FsRequests::commit_to(u64 number) {
    if (number <= committed_) return;
    committed_ = number;
    for (FsRequest* change = kept_.front(); change != nullptr && change->entry.change <= number;
         change = kept_.front())
        forget(*change, Error::ok);
}

/// They will never be.
void FsRequests::lose_through(u64 number) {
    for (FsRequest* change = kept_.front(); change != nullptr && change->entry.change <= number;) {
        FsRequest& each = *change;
        change = kept_.next(each);
        if (each.answered && !each.under_way) forget(each, Error::io);
    }
}

/// A change that was to hold a file has been answered, or never will be.
void FsRequests::settle_hold(FsRequest& request, Error error) {
    if (request.releases() || request.hold == nullptr) return;
    FsHold& hold = *std::exchange(request.hold, nullptr);
    --hold.unanswered;
    if (error == Error::ok && (hold.since == 0 || hold.since > request.entry.change))
        hold.since = request.entry.change;
    if (hold.since == 0 && hold.unanswered == 0 && !hold.released()) holds_.remove(hold);
}

/// It is kept no longer.
void FsRequests::forget(FsRequest& change, Error error) {
    Kept::remove(change);
    --kept_count_;
    if (change.sent) --kept_sent_;
    if (FsData* data = std::exchange(change.data, nullptr)) data->settled(error);
    free(change);
}

/// It is neither waiting nor under way, and will not be again.
void FsRequests::give_up(FsRequest& request, Error error) {
    if (request.answered && error != Error::ok) {
        lost_ = true;
        ++losses_;
        error = Error::io;
    }
    if (request.changes()) settle_hold(request, error);
    tell(request, error);
    if (request.changes()) forget(request, error);
    else free(request);
}

}  // namespace pith
