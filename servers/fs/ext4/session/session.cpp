// SPDX-License-Identifier: MIT
// A request from its check to its completion; what is committed.
#include "servers/fs/ext4/session/session.hpp"

#include <cstring>

namespace pith::ext4fs {

namespace {

using enum Fs::Operation;

}  // namespace

void Session::open(u64 session) {
    drop();
    session_ = session;
    last_ = finished_ = committing_ = committed_ = 0;
}

void Session::carry_out(Request request) {
    deferred_ = false;
    orphan_ = {};
    reap_ = false;
    time_ = {request.time.seconds, request.time.nanoseconds};
    const bool change = fs_changes(static_cast<Fs::Operation>(request.operation));
    finish(request, change ? this->change(request) : look(request));
}

Result<u64> Session::look(Request request) {
    const auto operation = static_cast<Fs::Operation>(request.operation);
    if (request.change != 0) return Error::invalid;
    PITH_CHECK(names_.take(request, window_));
    time_ = port_.now();
    if (operation == Fs::Operation::attach) return attach(request);
    if (system_ == nullptr) return Error::bad_state;
    switch (operation) {
        case Fs::Operation::detach: return detach();
        case recovered:
            recovered_ = true;
            PITH_CHECK(system_->reap_orphans());
            return u64{0};
        case Fs::Operation::commit: return sync();
        case Fs::Operation::statistics: return statistics(request);
        case Fs::Operation::lookup: return lookup(request);
        case Fs::Operation::attributes: return attributes(request);
        case Fs::Operation::read: return read(request);
        case Fs::Operation::list: return list(request);
        case Fs::Operation::read_link: return read_link(request);
        case Fs::Operation::seek: return seek(request);
        case hold: PITH_CHECK(system_->hold(file(request.file))); return u64{0};
        default: return Error::invalid;
    }
}

Result<u64> Session::change(Request request) {
    if (system_ == nullptr) return Error::bad_state;
    if (request.change <= last_) return Error::invalid;
    last_ = request.change;
    // A read that is under way must not see blocks that have another owner by now.
    port_.finish_reads();
    Result<u64> result = [&]() -> Result<u64> {
        PITH_CHECK(names_.take(request, window_));
        if (port_.memory_short()) return Error::no_memory;
        Result<u64> done = perform(request);
        if (recovered_ || done.ok() || !make_room(request, done.error())) return done;
        return perform(request);
    }();
    finished_ = request.change;
    return result;
}

Result<u64> Session::perform(Request request) {
    switch (static_cast<Fs::Operation>(request.operation)) {
        case Fs::Operation::create: return create(request);
        case Fs::Operation::create_link: return create_link(request);
        case Fs::Operation::create_unnamed: return create_unnamed(request);
        case Fs::Operation::link: return link(request);
        case Fs::Operation::unlink:
        case remove_directory: return unlink(request);
        case Fs::Operation::rename: return rename(request);
        case Fs::Operation::exchange:
            PITH_CHECK(system_->exchange(file(request.file), name(), file(request.other), other_name()));
            return u64{0};
        case Fs::Operation::set_attributes: return set_attributes(request);
        case Fs::Operation::write: return write(request);
        case truncate: PITH_CHECK(system_->truncate(file(request.file), request.offset)); return u64{0};
        case allocate:
            PITH_CHECK(system_->allocate(file(request.file), request.offset, request.length,
                                         (request.flags & Fs::kKeepSize) != 0));
            return u64{0};
        case punch:
            PITH_CHECK(system_->punch(file(request.file), request.offset, request.length));
            return u64{0};
        case release: PITH_CHECK(system_->release(file(request.file))); return u64{0};
        default: return Error::invalid;
    }
}

/// A change that is carried out again may lack what an earlier life had: there, files without names had gone by then. True: they have
/// now. What a client still does to one of them before it lets go of it can do without.
bool Session::make_room(Request request, Error error) {
    if (error == Error::no_space) return system_->reap_orphans().ok();
    if (error != Error::occupied || (request.flags & Fs::kAnswered) == 0) return false;
    const auto orphan = system_->find(static_cast<u32>(request.answer.number));
    return orphan.ok() && system_->reap(orphan.value()).ok();
}

void Session::finish(Request request, Result<u64> result) {
    note_state();
    if (!deferred_ || !result.ok()) {
        Fs::Completion completion{request.id, static_cast<u32>(result.error()), 0, 0, 0, 0};
        if (result.ok()) completion.value = result.value();
        fill(completion);
        port_.complete(completion);
    }
    // What is left to be done can be cut off: the next mount finds it in the list of orphans.
    if (system_ == nullptr) return;
    if (orphan_.inode != 0) static_cast<void>(system_->reap(orphan_));
    if (std::exchange(reap_, false)) static_cast<void>(system_->reap_orphans());
    note_state();
}

void Session::fill(Fs::Completion& completion) const {
    completion.committed = committed_;
    if (system_ == nullptr) return;
    ext4::Volume& volume = system_->volume();
    completion.flags = volume.read_only() ? Fs::kReadOnly : 0;
    completion.available = volume.available() * volume.block_size();
}

/// The log is told of an error once.
void Session::note_state() {
    if (system_ == nullptr || told_ || !system_->volume().failed()) return;
    told_ = true;
    port_.report("an error has made the file system read-only; what was not committed is lost");
}

bool Session::uncommitted() const {
    if (system_ == nullptr || system_->volume().read_only()) return false;
    return finished_ != committed_ || system_->volume().running();
}

void Session::commit() {
    if (!uncommitted()) return;
    static_cast<void>(sync());
    note_state();
}

Result<u64> Session::sync() {
    port_.finish_reads();
    PITH_CHECK(system_->sync());
    // Changes that have left nothing to be written count too.
    if (committed_ != finished_) records_.store(session_, finished_, transaction_);
    committed_ = finished_;
    return u64{0};
}

void Session::found(u32 last) {
    transaction_ = last;
    records_.settle(last);
}

void Session::committing(u32 number) {
    committing_ = finished_;
    if (finished_ != 0) records_.store(session_, finished_, number);
}

void Session::committed(u32 number) {
    transaction_ = number;
    committed_ = committing_;
}

}  // namespace pith::ext4fs
