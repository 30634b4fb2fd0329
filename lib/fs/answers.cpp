// SPDX-License-Identifier: MIT
// What a completion means. First everything is checked, and nothing is believed of what can't be.
#include <algorithm>
#include <cstring>

#include "lib/fs/checks.hpp"
#include "lib/fs/requests.hpp"

namespace pith {

void FsRequests::tell(FsRequest& request, Error error, u64 value) {
    FsCaller* const caller = std::exchange(request.caller, nullptr);
    if (caller == nullptr) return;
    caller->request_ = nullptr;
    caller->error = error;
    caller->value = value;
    caller->done(*caller);
}

/// False: the server breaks the protocol.
bool FsRequests::check(FsRequest& request, const Slot& slot, const Fs::Completion& completion,
                       Answer& answer) {
    if (!fs_error(completion.error, answer.error)) return false;
    answer.value = completion.value;
    answer.committed = 0;
    if (request.operation() != Fs::Operation::attach) {
        answer.committed = completion.committed;
        if (!check_committed(request, answer.error, completion.committed)) return false;
    }
    if (answer.error != Error::ok) return true;
    switch (request.operation()) {
        case Fs::Operation::read:
        case Fs::Operation::list:
        case Fs::Operation::read_link:
        case Fs::Operation::write:
            if (answer.value > request.entry.length) return false;
            break;
        case Fs::Operation::seek:
            if (answer.value < request.entry.offset) return false;
            break;
        default: answer.value = 0;
    }
    const u64 size = request.entry.place_size;
    const Error content = check_content(request, window_.subspan(slot.place, size), answer);
    if (content == Error::protocol || (content != Error::ok && request.changes())) return false;
    answer.error = content;
    return true;
}

/// `committed` only grows, and covers nothing but what was sent and carried out; of a commit, all that was sent before it.
bool FsRequests::check_committed(const FsRequest& request, Error error, u64 committed) {
    if (committed < committed_ || committed > life_sent_) return false;
    const bool commits = error == Error::ok && (request.operation() == Fs::Operation::commit ||
                                                request.operation() == Fs::Operation::detach);
    if (committed == committed_ && !commits) return true;
    FsRequest* change = kept_.front();
    while (change != nullptr && change->entry.change <= committed) {
        if (change->under_way && change != &request) return false;
        change = kept_.next(*change);
    }
    return !commits || change == nullptr || change->entry.change > request.through;
}

/// Copies what is in the place, once, and looks at the copy.
Error FsRequests::check_content(FsRequest& request, std::span<const u8> place, Answer& answer) {
    switch (request.operation()) {
        case Fs::Operation::attach:
            std::memcpy(&answer.attached, place.data(), sizeof(answer.attached));
            if (answer.attached.committed < committed_ || answer.attached.committed > ever_sent_ ||
                (ever_attached_ && (answer.attached.root != attached_.root ||
                                    answer.attached.block_size != attached_.block_size)))
                return Error::protocol;
            return fs_check_attached(answer.attached);
        case Fs::Operation::lookup:
        case Fs::Operation::attributes:
        case Fs::Operation::create:
        case Fs::Operation::create_link:
        case Fs::Operation::create_unnamed:
        case Fs::Operation::link:
            std::memcpy(&answer.attributes, place.data(), sizeof(answer.attributes));
            return fs_check_attributes(answer.attributes, request.entry);
        case Fs::Operation::list:
            if (request.caller == nullptr) return Error::ok;
            std::memcpy(request.caller->to.data(), place.data(), answer.value);
            return fs_check_entries(request.caller->to.first(answer.value));
        default: return Error::ok;
    }
}

void FsRequests::answer_look(FsRequest& request, const Slot& slot, const Answer& answer) {
    if (&request == &control_) return answer_control(request, answer);
    if (request.operation() == Fs::Operation::commit || request.operation() == Fs::Operation::detach)
        return answer_commit(request, answer);
    FsCaller* const caller = request.caller;
    if (caller != nullptr && answer.error == Error::ok) {
        const std::span<const u8> place = window_.subspan(slot.place, request.entry.place_size);
        switch (request.operation()) {
            case Fs::Operation::lookup:
            case Fs::Operation::attributes: caller->attributes = answer.attributes; break;
            case Fs::Operation::read:
                if (caller->bytes != nullptr) caller->bytes(*caller, place.first(answer.value));
                else std::memcpy(caller->to.data(), place.data(), answer.value);
                break;
            case Fs::Operation::read_link:
                std::memcpy(caller->to.data(), place.data(), std::min<u64>(answer.value, caller->to.size()));
                break;
            case Fs::Operation::statistics:
                std::memcpy(caller->to.data(), place.data(), sizeof(Fs::Statistics));
                break;
            default: break;
        }
    }
    const u64 room = request.operation() == Fs::Operation::read_link && caller != nullptr ? caller->to.size()
                                                                                          : answer.value;
    tell(request, answer.error, std::min(answer.value, room));
    free(request);
}

void FsRequests::answer_change(FsRequest& request, const Answer& answer) {
    const bool unnamed = request.operation() == Fs::Operation::create_unnamed;
    const bool made = unnamed || request.operation() == Fs::Operation::create ||
                      request.operation() == Fs::Operation::create_link;
    request.attempts = 0;
    if (request.answered) {
        // Done again, of which its caller knows nothing.
        const bool less = request.data != nullptr && answer.value < request.entry.length;
        if (answer.error != Error::ok || less) give_up(request, Error::io);
        return;
    }
    if (answer.error != Error::ok) return give_up(request, answer.error);
    request.answered = true;
    if (made) request.entry.answer = answer.attributes.id;
    if (request.data != nullptr) request.entry.length = answer.value;
    if (unnamed) holds_.name(*request.hold, answer.attributes.id);
    settle_hold(request, Error::ok);
    // Nobody would ever let go of it.
    if (unnamed && request.caller == nullptr) return release(answer.attributes.id, request.entry.time);
    if (request.caller != nullptr && request.entry.place_size != 0)
        request.caller->attributes = answer.attributes;
    tell(request, Error::ok, answer.value);
}

void FsRequests::answer_commit(FsRequest& request, const Answer& answer) {
    Error error = answer.error;
    if (error == Error::ok) {
        commit_to(answer.committed);
        if (&request != &commit_ && std::exchange(lost_, false)) error = Error::io;
    } else if (error != Error::no_memory) {
        lose_through(request.through);
        ++losses_;
        // Told now, or by the next commit.
        lost_ = &request == &commit_;
    }
    const bool detached = request.operation() == Fs::Operation::detach;
    tell(request, error);
    free(request);
    if (detached) end(error == Error::ok ? Error::io : error);
}

}  // namespace pith
