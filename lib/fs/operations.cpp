// SPDX-License-Identifier: MIT
// The requests as their callers make them.
#include <algorithm>
#include <cstring>
#include <new>

#include "lib/fs/requests.hpp"

namespace pith {

/// Null: it failed, and the caller knows.
FsRequest* FsRequests::make(FsCaller& caller, Fs::Operation operation, Fs::FileId file) {
    Error error = failed_;
    FsRequest* const request = error == Error::ok ? allocate() : nullptr;
    if (request == nullptr) {
        caller.error = error == Error::ok ? Error::no_memory : error;
        caller.done(caller);
        return nullptr;
    }
    request->entry = {};
    request->entry.operation = static_cast<u32>(operation);
    request->entry.file = file;
    request->caller = &caller;
    caller.request_ = request;
    request->data = nullptr;
    request->hold = nullptr;
    request->through = 0;
    request->attempts = 0;
    request->sent = request->answered = request->under_way = false;
    return request;
}

/// Copies names; there is room for Attributes to come back, too. False: they can't be, or there is no memory; the caller knows.
bool FsRequests::name(FsRequest& request, std::string_view name, std::string_view other, usize max_other) {
    if (name.empty() || name.size() > Fs::kMaxName || other.size() > max_other) {
        give_up(request, Error::invalid);
        return false;
    }
    const usize size = name.size() + other.size();
    char* to = request.short_names;
    if (size > FsRequest::kShortNames) {
        request.long_names = to = new (std::nothrow) char[size];
        if (to == nullptr) {
            give_up(request, Error::no_memory);
            return false;
        }
    }
    std::memcpy(to, name.data(), name.size());
    if (!other.empty()) std::memcpy(to + name.size(), other.data(), other.size());
    request.entry.name_size = static_cast<u16>(name.size());
    request.entry.other_size = static_cast<u16>(other.size());
    request.entry.place_size = static_cast<u32>(std::max(size, sizeof(Fs::Attributes)));
    return true;
}

void FsRequests::begin_change(FsRequest& request, Fs::Time time) {
    request.entry.time = time;
    request.entry.change = ++last_change_;
    kept_.push_back(request);
    ++kept_count_;
    enqueue(request);
}

/// The change holds `file`. False: no memory; the caller knows.
bool FsRequests::begin_hold(FsRequest& request, Fs::FileId file) {
    request.hold = holds_.add(file);
    if (request.hold == nullptr) {
        give_up(request, Error::no_memory);
        return false;
    }
    ++request.hold->unanswered;
    request.entry.flags |= Fs::kHold;
    return true;
}

void FsRequests::lookup(FsCaller& caller, Fs::FileId directory, std::string_view text) {
    FsRequest* const request = make(caller, Fs::Operation::lookup, directory);
    if (request != nullptr && name(*request, text, {}, 0)) enqueue(*request);
}

void FsRequests::get_attributes(FsCaller& caller, Fs::FileId file) {
    FsRequest* const request = make(caller, Fs::Operation::attributes, file);
    if (request == nullptr) return;
    request->entry.place_size = sizeof(Fs::Attributes);
    enqueue(*request);
}

void FsRequests::read(FsCaller& caller, Fs::FileId file, u64 offset, usize length) {
    FsRequest* const request = make(caller, Fs::Operation::read, file);
    if (request == nullptr) return;
    if (length == 0 || length > max_transfer_)
        return give_up(*request, length == 0 ? Error::ok : Error::invalid);
    request->entry.offset = offset;
    request->entry.length = length;
    request->entry.place_size = static_cast<u32>(length);
    enqueue(*request);
}

void FsRequests::read_now(FsCaller& caller, Fs::FileId file, u64 offset, usize length) {
    const bool busy = now_.under_way || now_.link.linked();
    if (failed_ != Error::ok || busy || length == 0 || length > now_size_) {
        caller.error = failed_ != Error::ok ? failed_
                       : busy               ? Error::busy
                       : length == 0        ? Error::ok
                                            : Error::invalid;
        return caller.done(caller);
    }
    now_.entry = {};
    now_.entry.operation = static_cast<u32>(Fs::Operation::read);
    now_.entry.file = file;
    now_.entry.offset = offset;
    now_.entry.length = length;
    now_.entry.place_size = static_cast<u32>(length);
    now_.attempts = 0;
    now_.caller = &caller;
    caller.request_ = &now_;
    // Before all that only looks, behind the last change.
    FsRequest* before = waiting_.back();
    while (before != nullptr && !before->changes() && before->operation() != Fs::Operation::detach)
        before = waiting_.previous(*before);
    if (before != nullptr) waiting_.insert_after(now_, *before);
    else waiting_.push_front(now_);
    ++waiting_count_;
    pump();
}

void FsRequests::list(FsCaller& caller, Fs::FileId directory, u64 cookie) {
    FsRequest* const request = make(caller, Fs::Operation::list, directory);
    if (request == nullptr) return;
    const usize size = std::min<usize>(caller.to.size(), max_transfer_);
    if (size == 0) return give_up(*request, Error::invalid);
    request->entry.offset = cookie;
    request->entry.length = size;
    request->entry.place_size = static_cast<u32>(size);
    enqueue(*request);
}

void FsRequests::read_link(FsCaller& caller, Fs::FileId file) {
    FsRequest* const request = make(caller, Fs::Operation::read_link, file);
    if (request == nullptr) return;
    request->entry.length = request->entry.place_size = Fs::kMaxTarget;
    enqueue(*request);
}

void FsRequests::seek(FsCaller& caller, Fs::FileId file, u64 offset, bool hole) {
    FsRequest* const request = make(caller, Fs::Operation::seek, file);
    if (request == nullptr) return;
    request->entry.offset = offset;
    request->entry.flags = hole ? Fs::kHole : 0;
    enqueue(*request);
}

void FsRequests::statistics(FsCaller& caller) {
    FsRequest* const request = make(caller, Fs::Operation::statistics, {});
    if (request == nullptr) return;
    request->entry.place_size = sizeof(Fs::Statistics);
    enqueue(*request);
}

void FsRequests::commit(FsCaller& caller) {
    FsRequest* const request = make(caller, Fs::Operation::commit, {});
    if (request == nullptr) return;
    if (kept_.empty()) return give_up(*request, std::exchange(lost_, false) ? Error::io : Error::ok);
    request->through = last_change_;
    enqueue(*request);
}

void FsRequests::detach(FsCaller& caller) {
    FsRequest* const request = make(caller, Fs::Operation::detach, {});
    if (request == nullptr) return;
    request->through = last_change_;
    enqueue(*request);
}

void FsRequests::create(FsCaller& caller, Fs::FileId directory, std::string_view text, const FsNewFile& file,
                        Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::create, directory);
    if (request == nullptr || !name(*request, text, {}, 0)) return;
    request->entry.mode = file.mode;
    request->entry.user = file.user;
    request->entry.group = file.group;
    request->entry.device = file.device;
    begin_change(*request, time);
}

void FsRequests::create_link(FsCaller& caller, Fs::FileId directory, std::string_view text,
                             std::string_view target, const FsNewFile& file, Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::create_link, directory);
    if (request == nullptr || !name(*request, text, target, Fs::kMaxTarget)) return;
    request->entry.mode = file.mode;
    request->entry.user = file.user;
    request->entry.group = file.group;
    begin_change(*request, time);
}

void FsRequests::create_unnamed(FsCaller& caller, Fs::FileId directory, const FsNewFile& file,
                                Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::create_unnamed, directory);
    if (request == nullptr) return;
    request->hold = holds_.add_unknown();
    if (request->hold == nullptr) return give_up(*request, Error::no_memory);
    ++request->hold->unanswered;
    request->entry.mode = file.mode;
    request->entry.user = file.user;
    request->entry.group = file.group;
    request->entry.place_size = sizeof(Fs::Attributes);
    begin_change(*request, time);
}

void FsRequests::link(FsCaller& caller, Fs::FileId file, Fs::FileId directory, std::string_view text,
                      Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::link, file);
    if (request == nullptr || !name(*request, text, {}, 0)) return;
    request->entry.other = directory;
    begin_change(*request, time);
}

void FsRequests::unlink(FsCaller& caller, Fs::FileId directory, std::string_view text, Fs::FileId file,
                        bool hold, Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::unlink, directory);
    if (request == nullptr || !name(*request, text, {}, 0) || (hold && !begin_hold(*request, file))) return;
    begin_change(*request, time);
}

void FsRequests::remove_directory(FsCaller& caller, Fs::FileId directory, std::string_view text,
                                  Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::remove_directory, directory);
    if (request == nullptr || !name(*request, text, {}, 0)) return;
    begin_change(*request, time);
}

void FsRequests::rename(FsCaller& caller, Fs::FileId from, std::string_view text, Fs::FileId to,
                        std::string_view new_name, Fs::FileId replaced, bool hold, Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::rename, from);
    if (request == nullptr) return;
    if (new_name.empty()) return give_up(*request, Error::invalid);
    if (!name(*request, text, new_name, Fs::kMaxName)) return;
    request->entry.other = to;
    if (replaced != Fs::FileId{}) {
        request->entry.flags |= Fs::kReplace;
        if (hold && !begin_hold(*request, replaced)) return;
    }
    begin_change(*request, time);
}

void FsRequests::exchange(FsCaller& caller, Fs::FileId from, std::string_view text, Fs::FileId to,
                          std::string_view other, Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::exchange, from);
    if (request == nullptr) return;
    if (other.empty()) return give_up(*request, Error::invalid);
    if (!name(*request, text, other, Fs::kMaxName)) return;
    request->entry.other = to;
    begin_change(*request, time);
}

void FsRequests::set_attributes(FsCaller& caller, Fs::FileId file, const FsAttributeChange& change,
                                Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::set_attributes, file);
    if (request == nullptr) return;
    constexpr u32 kKnown = Fs::kSetMode | Fs::kSetUser | Fs::kSetGroup | Fs::kSetAccessed | Fs::kSetModified;
    request->entry.flags = change.flags & kKnown;
    request->entry.mode = change.mode;
    request->entry.user = change.user;
    request->entry.group = change.group;
    request->entry.accessed = change.accessed;
    request->entry.modified = change.modified;
    begin_change(*request, time);
}

void FsRequests::write(FsCaller& caller, Fs::FileId file, u64 offset, usize length, FsData& data,
                       Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::write, file);
    if (request == nullptr) return data.settled(caller.error);
    if (length == 0 || length > max_transfer_) {
        const Error error = length == 0 ? Error::ok : Error::invalid;
        data.settled(error);
        return give_up(*request, error);
    }
    request->data = &data;
    request->entry.offset = offset;
    request->entry.length = length;
    request->entry.place_size = static_cast<u32>(length);
    begin_change(*request, time);
}

void FsRequests::truncate(FsCaller& caller, Fs::FileId file, u64 size, Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::truncate, file);
    if (request == nullptr) return;
    request->entry.offset = size;
    begin_change(*request, time);
}

void FsRequests::allocate(FsCaller& caller, Fs::FileId file, u64 offset, u64 length, bool keep_size,
                          Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::allocate, file);
    if (request == nullptr) return;
    request->entry.offset = offset;
    request->entry.length = length;
    request->entry.flags = keep_size ? Fs::kKeepSize : 0;
    begin_change(*request, time);
}

void FsRequests::punch(FsCaller& caller, Fs::FileId file, u64 offset, u64 length, Fs::Time time) {
    FsRequest* const request = make(caller, Fs::Operation::punch, file);
    if (request == nullptr) return;
    request->entry.offset = offset;
    request->entry.length = length;
    begin_change(*request, time);
}

void FsRequests::release(Fs::FileId file, Fs::Time time) {
    FsHold* const hold = holds_.find(file);
    if (hold == nullptr) return;
    FsRequest& request = hold->release;
    request.entry.operation = static_cast<u32>(Fs::Operation::release);
    request.entry.file = file;
    begin_change(request, time);
}

}  // namespace pith
