// SPDX-License-Identifier: MIT
// Opening, and opening again; the copying calls.
#include "lib/block/client.hpp"

#include <algorithm>
#include <cstring>

#include "lib/base/round.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/violation.hpp"

namespace pith {

Result<> BlockClient::open(const Handle<Signal>& signal, u64 bits, abi::Time deadline) {
    signal_ = &signal;
    bits_ = bits;
    return try_open(deadline);
}

Result<> BlockClient::try_open(abi::Time deadline) {
    HandleList handles;
    handles.add(*signal_, rights(abi::SignalRight::notify));
    ReceivedHandles received;
    const auto reply = PITH_TRY(driver_.call(Block::Open{index_, bits_, wish_}, handles, received, deadline));
    PITH_CHECK(requests_.check(reply));
    Handle<Memory> link = PITH_TRY(received.take<Memory>(0));
    Handle<Signal> peer = PITH_TRY(received.take<Signal>(1));
    const u64 length = (reply.window_offset + reply.window_size + abi::kPageSize - 1) & ~(abi::kPageSize - 1);
    Mapping mapping = PITH_TRY(Mapping::create(link, 0, length));
    peer_ = std::move(peer);
    peer_bits_ = reply.bits;
    requests_.attach(mapping.bytes(), reply);
    mapping_ = std::move(mapping);
    link_ = std::move(link);
    settle();
    return {};
}

void BlockClient::reopen() {
    requests_.detach();
    const Result<> opened = try_open(now() + kPatience);
    if (opened.ok()) {
        silences_ = bad_opens_ = 0;
        return;
    }
    if (died_answering(opened.error()) && ++bad_opens_ < kMaxOpens) {
        watch_.arm(now() + kLookInterval / 64);
        return;
    }
    if (died_answering(opened.error())) report_violation(driver_.endpoint(), "bad answers to open");
    bad_opens_ = 0;
    switch (opened.error()) {
        case Error::timed_out:
        case Error::no_memory:
        case Error::no_slot:
            // More and more rarely, so that a driver that never answers does not cost its client all the time.
            watch_.arm(now() + (kLookInterval / 4 << silences_));
            silences_ = std::min(silences_ + 1, kMostSilences);
            return;
        default: requests_.fail_all(opened.error()); return;
    }
}

void BlockClient::settle() {
    if (requests_.take_broken()) {
        report_violation(driver_.endpoint(), "a bad completion");
        // At once, but not all the time: each costs a call.
        const abi::Time time = now();
        const bool again = broken_at_ != 0 && time - broken_at_ < kLookInterval;
        broken_at_ = time;
        watch_.arm(again ? time + kLookInterval / 16 : time);
        return;
    }
    if (requests_.take_submitted()) static_cast<void>(peer_.notify(peer_bits_));
    // A deadline costs whoever the loop serves: none where nothing is waited for.
    if (requests_.under_way() == 0 && requests_.attached()) watch_.cancel();
    else if (requests_.under_way() != 0 && !watch_.armed()) watch_.arm(now() + kLookInterval);
}

void BlockClient::look() {
    requests_.serve();
    settle();
}

void BlockClient::reborn() {
    if (signal_ == nullptr || (requests_.attached() && driver_alive())) return;
    silences_ = 0;
    reopen();
}

/// Nothing was heard for a while, or it is time to try again. A driver that works for long is left alone; one that died is
/// called: its successor answers, or the supervisor for one that is held down.
void BlockClient::watch() {
    if (!requests_.attached() || !driver_alive()) return reopen();
    look();
}

Task<Result<>> BlockClient::read(u64 sector, std::span<u8> to) {
    if (to.size() % Block::kSectorSize != 0) co_return Error::invalid;
    const u32 granularity = requests_.granularity();
    while (!to.empty()) {
        const u64 skipped = sector % granularity;
        const u64 wanted = round_up(skipped + to.size() / Block::kSectorSize, granularity);
        const u32 sectors = static_cast<u32>(std::min<u64>(wanted, requests_.max_sectors()));
        Result<BlockPlace> where = co_await place(sectors * Block::kSectorSize);
        if (!where.ok()) co_return where.error();
        const Result<> done = co_await transfer(Block::Operation::read, sector - skipped, sectors,
                                                where.value());
        if (!done.ok()) co_return done.error();
        const usize count = std::min<usize>(to.size(), (sectors - skipped) * Block::kSectorSize);
        std::memcpy(to.data(), where->bytes().data() + skipped * Block::kSectorSize, count);
        to = to.subspan(count);
        sector += count / Block::kSectorSize;
    }
    co_return Result<>();
}

Task<Result<>> BlockClient::write(u64 sector, std::span<const u8> from) {
    if (from.size() % Block::kSectorSize != 0) co_return Error::invalid;
    while (!from.empty()) {
        const usize count = std::min<usize>(from.size(), requests_.max_sectors() * Block::kSectorSize);
        Result<BlockPlace> where = co_await place(count);
        if (!where.ok()) co_return where.error();
        std::memcpy(where->bytes().data(), from.data(), count);
        const u32 sectors = static_cast<u32>(count / Block::kSectorSize);
        const Result<> done = co_await transfer(Block::Operation::write, sector, sectors, where.value());
        if (!done.ok()) co_return done.error();
        from = from.subspan(count);
        sector += sectors;
    }
    co_return Result<>();
}

}  // namespace pith
