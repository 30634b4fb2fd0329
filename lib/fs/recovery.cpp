// SPDX-License-Identifier: MIT
// From a new link to running: attach, holds, changes, recovered.
#include "lib/fs/requests.hpp"

namespace pith {

/// Sends one of the requests that take turns here; nothing else but changes is under way then, so that there is room.
void FsRequests::control(Fs::Operation operation, Fs::FileId file) {
    control_.entry = {};
    control_.entry.operation = static_cast<u32>(operation);
    control_.entry.file = file;
    control_.entry.place_size = operation == Fs::Operation::attach ? FsWindow::kUnit : 0;
    static_cast<void>(send(control_));
}

void FsRequests::answer_control(FsRequest& request, const Answer& answer) {
    switch (request.operation()) {
        case Fs::Operation::attach:
            if (answer.error == Error::ok) return attached_now(answer.attached);
            attach_error_ = answer.error;
            return close();
        case Fs::Operation::hold:
            // A file that has gone is one that its holder will miss by itself.
            return hold_next();
        default: return;
    }
}

void FsRequests::attached_now(const Fs::Attached& attached) {
    attached_ = attached;
    ever_attached_ = true;
    read_only_ = (attached.flags & Fs::kReadOnly) != 0;
    life_sent_ = attached.committed;
    // One that is committed and was not answered can't be; but nobody is to wait for it.
    for (FsRequest* change = kept_.front();
         change != nullptr && change->entry.change <= attached.committed;) {
        FsRequest& each = *change;
        change = kept_.next(each);
        if (!each.answered) give_up(each, each.releases() ? Error::ok : Error::protocol);
    }
    commit_to(attached.committed);
    phase_ = Phase::holding;
    holding_ = holds_.first();
    hold_next();
}

/// Holds the next file that was unlinked by a committed change, and not released by one. Those whose release is committed are gone.
void FsRequests::hold_next() {
    while (holding_ != nullptr && (holding_->since == 0 || holding_->since > committed_))
        holding_ = holds_.next(*holding_);
    if (FsHold* hold = holding_) {
        holding_ = holds_.next(*hold);
        return control(Fs::Operation::hold, hold->file);
    }
    phase_ = Phase::redoing;
    redo_ = kept_.front();
}

/// Sends the changes of earlier lives again. True: they are done, and the rest may follow; false: not yet, or the ring is broken.
bool FsRequests::redo() {
    while (redo_ != nullptr && redo_->sent) {
        FsRequest& request = *redo_;
        FsRequest* const next = kept_.next(request);
        if (!send(request)) return false;
        redo_ = next;
        // What it would write is not in the file any more.
        if (!request.under_way) give_up(request, Error::ok);
    }
    if (used_slots_ != 0) return false;
    redo_ = nullptr;
    control_.attempts = 0;
    control(Fs::Operation::recovered, {});
    if (phase_ != Phase::redoing) return false;
    phase_ = Phase::running;
    failed_ = Error::ok;
    tell(control_, Error::ok);
    return true;
}

}  // namespace pith
