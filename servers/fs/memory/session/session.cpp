// SPDX-License-Identifier: MIT
// A request from its check to its completion; what is committed.
#include "servers/fs/memory/session/session.hpp"

#include <utility>

namespace pith::memory_fs {

namespace {

using enum Fs::Operation;

}  // namespace

void Session::open(u64 session) {
    attached_ = false;
    held_.clear();
    session_ = session;
    if (store_.broken()) return;
    // What an earlier Open has left undone.
    store_.abandon();
    fresh_ = store_.record().session != session;
    if (!fresh_) return;
    Record record{};
    record.session = session;
    if (!store_.finish(&record).ok()) store_.abandon();
}

void Session::carry_out(Request request) {
    orphan_ = hold_ = 0;
    file_ = {};
    if (fs_changes(static_cast<Fs::Operation>(request.operation))) return finish(request, change(request));
    finish(request, request.change != 0 ? Result<u64>(Error::invalid) : look(request));
}

void Session::finish(Request request, Result<u64> result) {
    Fs::Completion completion{request.id, static_cast<u32>(result.error()), 0, 0, 0, 0};
    if (result.ok()) completion.value = result.value();
    const bool sound = !store_.broken();
    if (attached_) completion.flags = read_only_ || !sound ? Fs::kReadOnly : 0;
    if (sound) completion.committed = store_.committed();
    if (sound) completion.available = store_.free_pages() * kPage;
    port_.complete(completion);
    if (!sound) return;
    if (request.change != 0 && request.change == store_.record().change &&
        store_.committed() != request.change)
        store_.commit(request.change);
    if (orphan_ != 0) static_cast<void>(reap(orphan_));
    if (attached_ && std::exchange(fresh_, false)) {
        recovered_ = true;
        static_cast<void>(reap_all());
    }
}

Result<u64> Session::change(Request request) {
    if (!attached_) return Error::bad_state;
    if (store_.broken()) return Error::io;
    if (request.change <= last_) return Error::invalid;
    // What was answered is done: another one can't have been.
    const bool done = request.change == store_.record().change;
    if (!done && (request.flags & Fs::kAnswered) != 0) return Error::invalid;
    last_ = request.change;
    // A write comes with the data as it is now, and so it is carried out once more.
    if (done && static_cast<Fs::Operation>(request.operation) != write) return answer_again(request);
    Result<u64> result = [&]() -> Result<u64> {
        PITH_CHECK(names_.take(request, window_));
        if (read_only_) return Error::access;
        return perform(request);
    }();
    if (!recovered_ && result.error() == Error::no_space) {
        store_.abandon();
        // Files that had gone in the earlier life. Holds have been sent.
        PITH_CHECK(reap_all());
        result = perform(request);
    }
    Record record{session_, request.change, 0, 0, 0, {}};
    if (result.ok()) {
        record.value = *result;
        record.file = file_;
        const Result<> finished = store_.finish(&record);
        if (finished.ok()) {
            if (hold_ != 0) held_.insert(hold_);
            return result;
        }
        result = finished.error();
    }
    store_.abandon();
    orphan_ = hold_ = 0;
    record = {session_, request.change, static_cast<u32>(result.error()), 0, 0, {}};
    if (!store_.finish(&record).ok()) return Error::io;
    return result;
}

/// It is the last one that was done: nothing has changed since then.
Result<u64> Session::answer_again(Request request) {
    const Record record = store_.record();
    PITH_CHECK(names_.take(request, window_));
    if (record.error != 0) return static_cast<Error>(record.error);
    switch (static_cast<Fs::Operation>(request.operation)) {
        case create_unnamed: held_.insert(static_cast<u32>(record.file.number)); [[fallthrough]];
        case Fs::Operation::create:
        case create_link: return put_attributes(request, PITH_TRY(store_.node(record.file)));
        case Fs::Operation::link: return put_attributes(request, PITH_TRY(store_.node(request.file)));
        case unlink:
        case remove_directory:
        case rename:
            if ((request.flags & Fs::kHold) != 0 && record.file.number != 0)
                held_.insert(static_cast<u32>(record.file.number));
            orphan_ = static_cast<u32>(record.file.number);
            return u64{0};
        case release:
            if (store_.node(request.file).ok()) orphan_ = static_cast<u32>(request.file.number);
            held_.erase(orphan_);
            return u64{0};
        default: return record.value;
    }
}

/// A file goes if it has no name and is not held.
Result<> Session::reap(u32 number) {
    if (held_.contains(number)) return {};
    Result<Node> file = store_.node(u64{number});
    if (!file.ok() || file->links != 0) return {};
    store_.remove(*file);
    const Result<> done = store_.finish();
    if (!done.ok()) store_.abandon();
    return done;
}

Result<> Session::reap_all() {
    for (u64 i = kRoot; i < store_.geometry().inodes; i++) PITH_CHECK(reap(static_cast<u32>(i)));
    return {};
}

}  // namespace pith::memory_fs
