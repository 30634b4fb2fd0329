// SPDX-License-Identifier: MIT
#include "tests/storage/ext4_test/files.hpp"

#include "lib/os/clock.hpp"

namespace pith::test {

namespace {

constexpr abi::Time kPatience = 20 * kSecond;
constexpr u32 kDeathsInARow = 50;
constexpr u32 kPlaceSize = 512 << 10;

}  // namespace

const Handle<Signal>& own_signal() {
    static const Handle<Signal> signal = take_start_handle<Signal>("signal");
    return signal;
}

Result<> Files::reopen() {
    ReceivedHandles handles;
    auto signal = PITH_TRY(own_signal().copy());
    for (u32 tries = 0; tries < kDeathsInARow; tries++) {
        facts_ = PITH_TRY(
            server_.call(Fs::Open{mount_, session_, kCompletedBit},
                         HandleList().add(signal, rights(abi::SignalRight::notify) | kCopyRight), handles,
                         now() + kPatience));
        Handle<Memory> link = PITH_TRY(handles.take<Memory>(0));
        // A server that dies right after its answer takes the Signal along that it gave: the next one is asked.
        auto theirs = handles.take<Signal>(1);
        if (!theirs.ok()) continue;
        if (!mapping_.valid()) {
            mapping_ = PITH_TRY(Mapping::create(link, 0, facts_.window_offset + facts_.window_size));
            link_ = std::move(link);
        }
        PITH_CHECK(queue_.attach(mapping_.as(), facts_.window_offset, Fs::kEntries, std::move(*theirs),
                                 facts_.bits));
        queue_.reset();
        return {};
    }
    return Error::peer_died;
}

void Files::note(const Fs::Completion& completion) {
    if (completion.committed > committed_) committed_ = completion.committed;
    while (!kept_.empty() && kept_.begin()->first <= committed_) kept_.erase(kept_.begin());
}

Result<Fs::Completion> Files::next() {
    const abi::Time deadline = now() + kPatience;
    for (;;) {
        Fs::Completion completion;
        if (queue_.poll(completion)) {
            note(completion);
            return completion;
        }
        if (queue_.broken()) return Error::protocol;
        // What a dead one has still answered counts: so only now.
        if (!queue_.peer_alive()) {
            if (!queue_.poll(completion)) return Error::peer_died;
            note(completion);
            return completion;
        }
        // kSignalReborn may tell of the disk's driver.
        static_cast<void>(PITH_TRY(own_signal().wait(kCompletedBit | kSignalReborn, deadline)));
    }
}

Result<Files::Answer> Files::run(const Fs::Submission& request, std::string_view content) {
    Fs::Submission entry = request;
    entry.id = ++ids_;
    entry.place = 0;
    if (entry.place_size == 0) entry.place_size = kPlaceSize;
    std::memcpy(window(), content.data(), content.size());
    PITH_CHECK(queue_.submit(entry));
    queue_.notify();
    if (submitted) submitted(resuming_);
    const Fs::Completion completion = PITH_TRY(next());
    if (completion.id != entry.id) return Error::protocol;
    return Answer{static_cast<Error>(completion.error), completion.value};
}

Result<Fs::Attached> Files::attach(u64 session, const Fs::Attach& where) {
    session_ = session;
    where_ = where;
    last_ = committed_ = 0;
    kept_.clear();
    held_.clear();
    released_.clear();
    PITH_CHECK(reopen());
    Fs::Submission request{};
    request.operation = static_cast<u32>(Fs::Operation::attach);
    const Answer answer = PITH_TRY(run(request, {reinterpret_cast<const char*>(&where_), sizeof where_}));
    if (answer.error != Error::ok) return answer.error;
    return result<Fs::Attached>();
}

Result<> Files::resume() {
    resuming_ = true;
    const Result<> done = try_to_resume();
    resuming_ = false;
    return done.error();
}

Result<> Files::try_to_resume() {
    for (u32 tries = 0; tries < kDeathsInARow; tries++) {
        const Result<> done = [&]() -> Result<> {
            PITH_CHECK(reopen());
            Fs::Submission request{};
            request.operation = static_cast<u32>(Fs::Operation::attach);
            Answer answer = PITH_TRY(run(request, {reinterpret_cast<const char*>(&where_), sizeof where_}));
            if (answer.error != Error::ok) return answer.error;
            const u64 committed = result<Fs::Attached>().committed;
            if (committed < committed_) return Error::bad_state;
            note({0, 0, 0, 0, committed, 0});
            std::erase_if(released_, [&](const auto& one) { return one.first <= committed; });
            for (const auto* files : {&held_, &released_}) {
                for (const auto& [number, file] : *files) {
                    request = {};
                    request.operation = static_cast<u32>(Fs::Operation::hold);
                    request.file = file;
                    static_cast<void>(PITH_TRY(run(request, {})));
                }
            }
            std::map<u64, Kept> kept;
            kept.swap(kept_);
            Result<> sent;
            for (auto& [number, change] : kept) {
                if (sent.ok()) {
                    auto again = change.request;
                    if (change.answered) again.flags |= Fs::kAnswered;
                    repeated_++;
                    auto repeated = run(again, change.content);
                    if (!repeated.ok()) sent = repeated.error();
                    else if (repeated.value().error != Error::ok && change.answered) sent = Error::bad_state;
                }
                if (number > committed_) kept_.emplace(number, std::move(change));
            }
            PITH_CHECK(std::move(sent));
            request = {};
            request.operation = static_cast<u32>(Fs::Operation::recovered);
            answer = PITH_TRY(run(request, {}));
            return as_result(answer.error);
        }();
        if (done.ok() || done.error() != Error::peer_died) return done.error();
    }
    return Error::peer_died;
}

Files::Answer Files::look(Fs::Submission request, std::string_view names) {
    for (;;) {
        auto answer = run(request, names);
        if (answer.ok()) return answer.value();
        if (answer.error() != Error::peer_died) return {answer.error(), 0};
        if (auto resumed = resume(); !resumed.ok()) return {resumed.error(), 0};
    }
}

Files::Answer Files::change(Fs::Submission request, std::string_view content) {
    request.change = ++last_;
    for (;;) {
        auto answer = run(request, content);
        if (answer.ok()) {
            if (answer.value().error == Error::ok && request.change > committed_) {
                const auto operation = static_cast<Fs::Operation>(request.operation);
                if (operation == Fs::Operation::create || operation == Fs::Operation::create_link ||
                    operation == Fs::Operation::create_unnamed)
                    request.answer = result<Fs::Attributes>().id;
                kept_.emplace(request.change, Kept{request, std::string(content), true});
            }
            return answer.value();
        }
        if (answer.error() != Error::peer_died) return {answer.error(), 0};
        if (auto resumed = resume(); !resumed.ok()) return {resumed.error(), 0};
        // It had no answer, so it is not committed: it is carried out as a new one.
    }
}

}  // namespace pith::test
