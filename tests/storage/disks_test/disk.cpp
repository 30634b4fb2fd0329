// SPDX-License-Identifier: MIT
#include "tests/storage/disks_test/disk.hpp"

#include "tests/storage/disks_test/harness.hpp"

namespace pith::test {

namespace {

constexpr abi::Time kPatience = 20 * kSecond;
constexpr u32 kDeathsInARow = 20;
bool was_reborn = false;

u64 driver_lives() { return restarts(context.driver); }

const Handle<Signal>& own_signal() {
    static const Handle<Signal> signal = take_start_handle<Signal>("signal");
    return signal;
}

}  // namespace

Result<> Disk::open(u64 index) {
    lives_ = driver_lives();
    ReceivedHandles handles;
    auto signal = PITH_TRY(own_signal().copy());
    const auto ask = [&] {
        return client_.call(Block::Open{index, kCompletedBit, wish_},
                            HandleList().add(signal, rights(abi::SignalRight::notify) | kCopyRight), handles);
    };
    // A driver that dies right after its answer takes the Signal along that it gave: the next one is asked.
    auto reply = ask();
    auto theirs = handles.take<Signal>(1);
    for (u32 tries = 0; tries < kDeathsInARow && reply.ok() && !theirs.ok(); tries++) {
        reply = ask();
        theirs = handles.take<Signal>(1);
    }
    facts_ = PITH_TRY(std::move(reply));
    Handle<Memory> link = PITH_TRY(handles.take<Memory>(0));
    if (!theirs.ok()) return theirs.error();
    if (!mapping_.valid()) {
        mapping_ = PITH_TRY(Mapping::create(link, 0, facts_.window_offset + facts_.window_size));
        link_ = std::move(link);
    } else {
        // It has to be the same: what is in the window is still there.
        const Mapping again = PITH_TRY(Mapping::create(link, 0, facts_.window_offset + facts_.window_size));
        auto* word = mapping_.as<volatile u64>(facts_.window_offset - 8);
        *word = *word + 1;
        if (*again.as<volatile u64>(facts_.window_offset - 8) != *word) return Error::bad_state;
        reopened_++;
    }
    index_ = index;
    PITH_CHECK(
        queue_.attach(mapping_.as(), facts_.window_offset, Block::kEntries, std::move(*theirs), facts_.bits));
    queue_.reset();
    for (u32 i = 0; i < Block::kEntries; i++)
        if (busy_[i]) PITH_CHECK(queue_.submit(kept_[i]));
    queue_.notify();
    return {};
}

Result<> Disk::submit(const Block::Submission& request) {
    kept_[request.id] = request;
    busy_[request.id] = true;
    return queue_.submit(request);
}

Result<bool> Disk::poll(Block::Completion& completion) {
    if (!queue_.poll(completion)) return queue_.broken() ? Result<bool>(Error::protocol) : false;
    if (completion.id >= Block::kEntries || !busy_[completion.id]) return Error::protocol;
    busy_[completion.id] = false;
    return true;
}

Result<Disk::Answer> Disk::next_of(std::span<Disk* const> disks) {
    const abi::Time deadline = now() + kPatience;
    for (;;) {
        Answer answer{};
        for (Disk* disk : disks) {
            answer.disk = disk;
            if (PITH_TRY(disk->poll(answer.completion))) return answer;
        }
        if (reborn()) {
            forget_rebirths();
            // It may have been the devices server: the driver is to go on then as if nothing had been.
            for (Disk* disk : disks)
                if (driver_lives() != disk->lives_) PITH_CHECK(disk->open(disk->index_));
            continue;
        }
        const u64 bits = PITH_TRY(own_signal().wait(kCompletedBit | kSignalReborn, deadline));
        if ((bits & kSignalReborn) != 0) was_reborn = true;
    }
}

Result<Block::Completion> Disk::next() {
    Disk* self = this;
    const Answer answer = PITH_TRY(next_of({&self, 1}));
    return answer.completion;
}

Error Disk::run(Block::Operation operation, u64 sector, u32 sectors, u64 offset) {
    const Block::Submission request{0, static_cast<u32>(operation), sectors, sector, offset};
    if (auto submitted = submit(request); !submitted.ok()) return submitted.error();
    notify();
    auto completion = next();
    return completion.ok() ? static_cast<Error>(completion->error) : completion.error();
}

bool reborn() {
    if ((own_signal().poll(kSignalReborn) & kSignalReborn) != 0) was_reborn = true;
    return was_reborn;
}
void forget_rebirths() { was_reborn = false; }

}  // namespace pith::test
