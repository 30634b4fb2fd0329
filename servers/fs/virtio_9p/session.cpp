// SPDX-License-Identifier: MIT
#include "servers/fs/virtio_9p/session.hpp"

#include <algorithm>

namespace pith::virtio_9p {

namespace {

constexpr u64 kMaxFileSize = ~u64{0} >> 1;

bool is_change(const Fs::Submission& request) {
    return request.operation >= static_cast<u32>(Fs::Operation::create) &&
           request.operation <= static_cast<u32>(Fs::Operation::release);
}

}  // namespace

void Session::cancel() {
    channel_.cancel();
    count_ = 0;
    attached_ = false;
    for (Running& running : running_) running.active = false;
    tree_.reset();
}

Result<> Session::open(u64 session, std::span<u8> link, u64 window_offset, Handle<Signal> client, u64 bits) {
    cancel();
    // What was submitted comes to nothing. Answers that the client has not taken yet stay where they are, until it resets the ring.
    auto& header = *reinterpret_cast<QueueHeader*>(link.data());
    header.submit_head = header.submit_tail = 0;
    queue_ = {};
    PITH_CHECK(queue_.attach(link.data(), window_offset, Fs::kEntries, std::move(client), bits));
    window_ = link.subspan(window_offset);
    answered_ = false;
    fresh_ = state_->session != session;
    if (fresh_) state_.set({session, 0, {}});
    last_started_ = state_->committed;
    names_.release_all();
    return {};
}

Session::Kind Session::kind_of(const Fs::Submission& request) {
    using enum Fs::Operation;
    switch (static_cast<Fs::Operation>(request.operation)) {
        case write: return Kind::write;
        case commit: return Kind::sync;
        case attach:
        case detach:
        case recovered: return Kind::single;
        default: return is_change(request) ? Kind::single : Kind::look;
    }
}

/// Beside what is under way.
bool Session::admissible(const Fs::Submission& request) const {
    const Kind kind = kind_of(request);
    for (const Running& other : running_) {
        if (!other.active) continue;
        if (kind == Kind::single || other.kind == Kind::single) return false;
        if (kind != Kind::write && other.kind == Kind::write) return false;
        if (kind != Kind::write) continue;
        const Fs::Submission& r = other.job.entry;
        const bool apart = r.file.number != request.file.number ||
                           r.offset >= request.offset + request.length ||
                           request.offset >= r.offset + r.length;
        if (other.kind == Kind::sync || (other.kind == Kind::write && !apart)) return false;
    }
    return true;
}

bool Session::serve() {
    if (!queue_.attached()) return false;
    while (count_ < Fs::kEntries && queue_.take(pending_[(first_ + count_) % Fs::kEntries])) count_++;
    while (start_next()) {}
    return std::exchange(answered_, false);
}

bool Session::start_next() {
    if (count_ == 0 || !channel_.free()) return false;
    const Fs::Submission& request = pending_[first_];
    if (!admissible(request)) return false;
    Running* const place = std::ranges::find(running_, false, &Running::active);
    if (place == std::end(running_)) return false;
    first_ = (first_ + 1) % Fs::kEntries;
    count_--;
    Result<> checked = check(request);
    if (checked.ok()) checked = place->job.take(request, window_.subspan(request.place, request.place_size));
    if (is_change(request) && request.change > last_started_) last_started_ = request.change;
    if (!checked.ok()) {
        complete(request.id, checked.error(), 0);
        if (is_change(request)) commit_up_to();
        return true;
    }
    place->kind = kind_of(request);
    place->active = true;
    if (!spawn(run(*place))) finish(*place, Error::no_memory);
    return true;
}

Result<> Session::check(const Fs::Submission& r) {
    if (r.place % Fs::kPlaceUnit != 0 || r.place > window_.size() || r.place_size > window_.size() - r.place)
        return Error::invalid;
    const bool change = is_change(r);
    if (change != (r.change != 0) || (change && r.change <= last_started_)) return Error::invalid;
    const bool attaches = r.operation == static_cast<u32>(Fs::Operation::attach);
    if (attaches == attached_) return Error::bad_state;
    if (change && read_only_) return Error::access;
    return {};
}

Task<void> Session::run(Running& running) {
    Result<u64> result = Error::cancelled;
    {
        Line line(channel_);
        result = co_await dispatch(line, running.job);
        if (line.cancelled()) co_return;
    }
    finish(running, result);
}

Task<Result<u64>> Session::dispatch(Line& line, const Job& job) {
    using enum Fs::Operation;
    switch (job.operation()) {
        case attach: co_return co_await this->attach(line, job);
        case detach: co_return co_await this->detach(line);
        case recovered: PITH_CO_CHECK(co_await changes_.remove_hidden(line, false)); co_return u64{0};
        default: break;
    }
    if (job.changes()) co_return co_await changes_.run(line, job);
    Result<u64> value = co_await looks_.run(line, job);
    if (job.operation() == commit) static_cast<void>(co_await measure(line));
    co_return value;
}

/// How much is free.
Task<Result<>> Session::measure(Line& line) {
    const Fs::Statistics found = PITH_CO_TRY(co_await tree_.statistics(line));
    available_ = found.available * found.block_size;
    co_return Result<>();
}

Task<Result<u64>> Session::attach(Line& line, const Job& job) {
    if (job.place.size() < sizeof(Fs::Attach) || job.place.size() < sizeof(Fs::Attached))
        co_return Error::invalid;
    if (!device_.there) co_return Error::not_found;
    Fs::Attach wanted;
    std::memcpy(&wanted, job.place.data(), sizeof(wanted));
    const Fs::Attributes root = PITH_CO_TRY(co_await tree_.connect(line, device_.message_size));
    // What an earlier client has left. If it can't go, it is in nobody's way.
    if (fresh_) static_cast<void>(co_await changes_.remove_hidden(line, true));
    if (line.cancelled()) co_return Error::cancelled;
    fresh_ = false;
    static_cast<void>(co_await measure(line));
    Fs::Attached attached{};
    attached.root = root.id;
    attached.committed = state_->committed;
    attached.statistics = PITH_CO_TRY(co_await tree_.statistics(line));
    attached.block_size = attached.statistics.block_size;
    attached.max_file_size = kMaxFileSize;
    attached.flags = wanted.flags & Fs::kReadOnly;
    std::memcpy(attached.label, device_.label, sizeof(attached.label));
    read_only_ = attached.flags != 0;
    attached_ = true;
    co_return job.put(attached).ok() ? Result<u64>(u64{0}) : Result<u64>(Error::invalid);
}

/// The host has all changes, and writes them to its disk in its own time.
Task<Result<u64>> Session::detach(Line& line) {
    attached_ = false;
    PITH_CO_CHECK(co_await changes_.remove_hidden(line, true));
    co_return u64{0};
}

void Session::finish(Running& running, const Result<u64>& result) {
    const Fs::Submission& r = running.job.entry;
    complete(r.id, result.error(), result.ok() ? result.value() : 0);
    running.active = false;
    if (is_change(r)) commit_up_to();
}

/// The answers of changes are in the ring: up to the first that is still under way they are done for good.
void Session::commit_up_to() {
    u64 number = last_started_;
    for (const Running& running : running_)
        if (running.active && running.job.entry.change != 0)
            number = std::min(number, running.job.entry.change - 1);
    if (number > state_->committed) state_.set_committed(number);
}

void Session::complete(u64 id, Error error, u64 value) {
    // A client that broke its ring gets no answers; it may open again.
    static_cast<void>(queue_.complete(
        {id, static_cast<u32>(error), read_only_ ? Fs::kReadOnly : 0, value, state_->committed, available_}));
    answered_ = true;
}

}  // namespace pith::virtio_9p
