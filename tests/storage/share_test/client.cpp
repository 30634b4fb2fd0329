// SPDX-License-Identifier: MIT
#include "tests/storage/share_test/client.hpp"

#include <algorithm>

#include "lib/os/clock.hpp"
#include "lib/os/start_info.hpp"

namespace pith::test {

namespace {

constexpr u64 kBit = 1;
constexpr abi::Time kPatience = 40 * kSecond;
constexpr u32 kDeathsInARow = 20;

bool is_change(const Fs::Submission& request) {
    return request.operation >= static_cast<u32>(Fs::Operation::create) &&
           request.operation <= static_cast<u32>(Fs::Operation::release);
}

Fs::Submission look(Fs::Operation operation, Fs::FileId file = {}) {
    Fs::Submission request{};
    request.operation = static_cast<u32>(operation);
    request.file = file;
    return request;
}

}  // namespace

const Handle<Signal>& own_signal() {
    static const Handle<Signal> signal = take_start_handle<Signal>("signal");
    return signal;
}

Handle<Endpoint> share_endpoint() {
    static const Handle<Endpoint> endpoint = take_start_handle<Endpoint>("share");
    auto copy = endpoint.copy();
    if (!copy.ok()) panic("no handle");
    return std::move(*copy);
}

#define MUST(condition) check(condition, __LINE__)

void Share::check(bool condition, int line) {
    if (condition) return;
    print_failure(line);
    failed_ = true;
}

Result<> Share::open(u64 session, u64 flags) {
    if (session != session_) {
        kept_.clear();
        holds_.clear();
        change_ = committed_ = 0;
    }
    session_ = session;
    flags_ = flags;
    PITH_CHECK(connect());
    return attach();
}

Result<> Share::connect() {
    ReceivedHandles handles;
    auto signal = PITH_TRY(own_signal().copy());
    for (u32 tries = 0;; tries++) {
        facts_ = PITH_TRY(
            client_.call(Fs::Open{0, session_, kBit},
                         HandleList().add(signal, rights(abi::SignalRight::notify) | kCopyRight), handles));
        // A server that dies right after its answer takes the Signal along that it gave: the next one is asked.
        auto theirs = handles.take<Signal>(1);
        if (!theirs.ok() && tries < kDeathsInARow) continue;
        if (!theirs.ok()) return theirs.error();
        auto link = PITH_TRY(handles.take<Memory>(0));
        if (facts_.window_size < (kSlots + 1) * kPlaceSize) return Error::unsupported;
        // What it had answered before it was asked is in the ring still.
        Fs::Completion completion{};
        while (mapping_.valid() && queue_.poll(completion)) {
            account(completion);
            keep_for_later(completion);
        }
        if (!mapping_.valid())
            mapping_ = PITH_TRY(Mapping::create(link, 0, facts_.window_offset + facts_.window_size));
        PITH_CHECK(queue_.attach(mapping_.as(), facts_.window_offset, Fs::kEntries, std::move(*theirs),
                                 facts_.bits));
        queue_.reset();
        opened_++;
        return {};
    }
}

Result<> Share::attach() {
    Fs::Attach where{0, 0, 0, flags_};
    std::memcpy(place(kControl), &where, sizeof(where));
    const Fs::Completion done = control(look(Fs::Operation::attach), nullptr);
    if (done.error != 0) return static_cast<Error>(done.error);
    std::memcpy(&attached_, place(kControl), sizeof(attached_));
    return {};
}

bool Share::reborn() { return (own_signal().poll(kSignalReborn) & kSignalReborn) != 0; }

/// On a link that was just attached.
Result<> Share::redo() {
    MUST(attached_.committed >= committed_);
    committed_ = attached_.committed;
    for (const Fs::FileId& file : holds_) {
        const Error held = static_cast<Error>(control(look(Fs::Operation::hold, file), nullptr).error);
        if (held == Error::peer_died) return held;
        MUST(held == Error::ok);
    }
    const std::vector<Kept> all = kept_;  // that changes as they are answered
    for (const Kept& kept : all) {
        if (kept.request.change <= committed_) {
            MUST(kept.answered);
        } else if (kept.answered) {
            Fs::Submission again = kept.request;
            again.flags |= Fs::kAnswered;
            again.answer = kept.made;
            const Error done = static_cast<Error>(control(again, &kept).error);
            if (done == Error::peer_died) return done;
            MUST(done == Error::ok);
        } else {
            put(kept, static_cast<u32>(kept.request.id));
            PITH_CHECK(queue_.submit(kept.request));
        }
    }
    std::erase_if(kept_, [this](const Kept& kept) { return kept.request.change <= committed_; });
    Fs::Submission recovered = look(Fs::Operation::recovered);
    recovered.id = kControl;
    busy_[kControl] = true;
    PITH_CHECK(queue_.submit(recovered));
    for (u32 i = 0; i < kSlots; i++)
        if (busy_[i] && !done_[i] && !is_change(requests_[i])) PITH_CHECK(queue_.submit(requests_[i]));
    queue_.notify();
    return {};
}

/// The change's names and data, as they were.
void Share::put(const Kept& kept, u32 slot) { std::ranges::copy(kept.bytes, place(slot)); }

/// One request by itself, in the place that is for that. It may be asked again of a server that was born meanwhile: then all is.
Fs::Completion Share::control(Fs::Submission request, const Kept* kept) {
    request.id = kControl;
    request.place = u64{kControl} * kPlaceSize;
    request.place_size = kPlaceSize;
    if (kept != nullptr) put(*kept, kControl);
    if (!queue_.submit(request).ok()) return {0, static_cast<u32>(Error::protocol), 0, 0, 0, 0};
    queue_.notify();
    const abi::Time deadline = now() + kPatience;
    for (;;) {
        Fs::Completion completion{};
        if (queue_.poll(completion)) {
            account(completion);
            if (completion.id == kControl) return completion;
            // A change without an answer, submitted again before this.
            keep_for_later(completion);
            continue;
        }
        if (reborn()) return {0, static_cast<u32>(Error::peer_died), 0, 0, 0, 0};
        if (!own_signal().wait(kBit, std::min(deadline, now() + 100 * kMillisecond)).ok() && now() > deadline)
            return {0, static_cast<u32>(Error::timed_out), 0, 0, 0, 0};
    }
}

void Share::submit(u32 slot, Fs::Submission request, usize data, u32 place_size) {
    request.id = slot;
    request.place = u64{slot} * kPlaceSize;
    request.place_size = place_size;
    if (is_change(request)) {
        request.change = ++change_;
        const usize size = request.name_size + usize{request.other_size} + data;
        kept_.push_back({request, std::vector<u8>(place(slot), place(slot) + size), false, {}});
    }
    requests_[slot] = request;
    busy_[slot] = true;
    done_[slot] = false;
    MUST(queue_.submit(request).ok());
}

/// What any completion says of changes.
void Share::account(const Fs::Completion& completion) {
    if (completion.id < kSlots && is_change(requests_[completion.id])) {
        for (Kept& kept : kept_) {
            if (kept.request.change != requests_[completion.id].change) continue;
            kept.answered = completion.error == 0;
            Fs::Attributes made{};
            std::memcpy(&made, place(static_cast<u32>(completion.id)), sizeof(made));
            kept.made = made.id;
        }
        // One that failed counts as carried out; it isn't sent again.
        if (completion.error != 0)
            std::erase_if(kept_, [&](const Kept& kept) {
                return kept.request.change == requests_[completion.id].change;
            });
    }
    MUST(completion.committed >= committed_ && completion.committed <= change_);
    if (completion.committed > committed_) committed_ = completion.committed;
    for (const Kept& kept : kept_) MUST(kept.request.change > committed_ || kept.answered);
    std::erase_if(kept_, [this](const Kept& kept) { return kept.request.change <= committed_; });
}

void Share::keep_for_later(const Fs::Completion& completion) {
    if (completion.id >= kSlots || done_[completion.id]) return;
    done_[completion.id] = true;
    early_.push_back(completion);
}

bool Share::poll(Fs::Completion& completion) {
    if (!early_.empty()) {
        completion = early_.front();
        early_.erase(early_.begin());
        return true;
    }
    if (!queue_.poll(completion)) return false;
    account(completion);
    return true;
}

Fs::Completion Share::next(u32& slot) {
    const abi::Time deadline = now() + kPatience;
    for (;;) {
        Fs::Completion completion{};
        if (poll(completion)) {
            if (completion.id == kControl) continue;
            MUST(completion.id < kSlots && busy_[completion.id]);
            if (failed_) return completion;
            slot = static_cast<u32>(completion.id);
            busy_[slot] = false;
            return completion;
        }
        if (queue_.broken()) MUST(false);
        if (failed_ || now() > deadline) {
            MUST(false);
            return {0, static_cast<u32>(Error::timed_out), 0, 0, 0, 0};
        }
        if (reborn()) {
            // Not if it was another supplier; asking it costs nothing then. Until one life is long enough.
            while (failed_ == false) {
                while (queue_.poll(completion)) {
                    account(completion);
                    keep_for_later(completion);
                }
                Result<> again = connect();
                if (again.ok()) again = attach();
                if (again.ok()) again = redo();
                if (again.error() == Error::peer_died) continue;
                MUST(again.ok());
                break;
            }
            continue;
        }
        static_cast<void>(own_signal().wait(kBit, now() + 10 * kMillisecond));
    }
}

Fs::Completion Share::wait(u32 slot) {
    for (;;) {
        u32 which = 0;
        const Fs::Completion completion = next(which);
        if (failed_ || which == slot) return completion;
    }
}

Fs::Completion Share::run(Fs::Submission request, std::string_view name, std::string_view other) {
    std::memcpy(place(0), name.data(), name.size());
    std::memcpy(place(0) + name.size(), other.data(), other.size());
    request.name_size = static_cast<u16>(name.size());
    request.other_size = static_cast<u16>(other.size());
    submit(0, request);
    notify();
    return wait(0);
}

Fs::Completion Share::run_sized(Fs::Submission request, u32 size) {
    submit(0, request, 0, size);
    notify();
    return wait(0);
}

Fs::Completion Share::run_raw(const Fs::Submission& request) {
    requests_[0] = look(Fs::Operation::statistics);
    busy_[0] = true;
    done_[0] = false;
    MUST(queue_.submit(request).ok());
    notify();
    return wait(0);
}

Error Share::lookup(Fs::FileId directory, std::string_view name, Fs::Attributes& found) {
    const Fs::Completion done = run(look(Fs::Operation::lookup, directory), name);
    std::memcpy(&found, place(0), sizeof(found));
    return static_cast<Error>(done.error);
}

Error Share::attributes(Fs::FileId file, Fs::Attributes& found) {
    const Fs::Completion done = run(look(Fs::Operation::attributes, file));
    std::memcpy(&found, place(0), sizeof(found));
    return static_cast<Error>(done.error);
}

Error Share::create(Fs::FileId directory, std::string_view name, u32 mode, Fs::Attributes& made, u32 user,
                    u32 group) {
    Fs::Submission request = look(Fs::Operation::create, directory);
    request.mode = mode;
    request.user = user;
    request.group = group;
    const Fs::Completion done = run(request, name);
    std::memcpy(&made, place(0), sizeof(made));
    return static_cast<Error>(done.error);
}

Error Share::unlink(Fs::FileId directory, std::string_view name, Fs::FileId held) {
    Fs::Submission request = look(Fs::Operation::unlink, directory);
    if (held.number != 0) request.flags = Fs::kHold;
    const Fs::Completion done = run(request, name);
    if (held.number != 0 && done.error == 0) holds_.push_back(held);
    return static_cast<Error>(done.error);
}

Error Share::rename(Fs::FileId from, std::string_view name, Fs::FileId to, std::string_view new_name,
                    u32 flags, Fs::FileId replaced) {
    Fs::Submission request = look(Fs::Operation::rename, from);
    request.other = to;
    request.flags = flags;
    const Error error = static_cast<Error>(run(request, name, new_name).error);
    if (replaced.number != 0 && error == Error::ok) holds_.push_back(replaced);
    return error;
}

Error Share::write(Fs::FileId file, u64 offset, std::string_view text) {
    Fs::Submission request = look(Fs::Operation::write, file);
    request.offset = offset;
    request.length = text.size();
    std::memcpy(place(0), text.data(), text.size());
    submit(0, request, text.size());
    notify();
    const Fs::Completion done = wait(0);
    return done.error == 0 && done.value != text.size() ? Error::no_space : static_cast<Error>(done.error);
}

Error Share::read(Fs::FileId file, u64 offset, u64 length, std::string_view& found) {
    Fs::Submission request = look(Fs::Operation::read, file);
    request.offset = offset;
    request.length = length;
    const Fs::Completion done = run(request);
    found = {reinterpret_cast<const char*>(place(0)), done.error == 0 ? done.value : 0};
    return static_cast<Error>(done.error);
}

Error Share::release(Fs::FileId file) {
    std::erase(holds_, file);
    return static_cast<Error>(run(look(Fs::Operation::release, file)).error);
}

Error Share::commit() { return static_cast<Error>(run(look(Fs::Operation::commit)).error); }

}  // namespace pith::test
