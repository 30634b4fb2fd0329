// SPDX-License-Identifier: MIT
#include "servers/fs/ext4/mount.hpp"

#include <algorithm>

#include "lib/os/heap.hpp"
#include "lib/os/patience.hpp"

namespace pith::ext4fs {

namespace {

constexpr abi::Time kDiskPatience = 10 * kSecond;  // for a disk whose driver does not answer
constexpr abi::Time kDiskRetry = 20 * kMillisecond;

}  // namespace

Mount::Mount(Disks& disks, Logger& log, std::span<u8> link, CommitRecords records, const Limits& limits,
             abi::Time& started_over)
    : disks_(disks),
      log_(log),
      started_over_(started_over),
      link_(link),
      session_(*this, records, link.subspan(kWindowOffset, kWindowSize), limits) {
    disks.add(disk_);
}

bool Mount::taken(u32 client) const { return client != client_ && queue_.peer_alive(); }

Result<> Mount::open(u64 session, u32 client, Handle<Signal> signal, u64 bits) {
    if (!fiber_.started())
        PITH_CHECK(fiber_.start(
            own_pool(), kStackSize, [](void* mount) { static_cast<Mount*>(mount)->serve(); }, this));
    stop();
    session_.open(session);
    client_ = client;
    completed_ = false;
    watch_commit();
    std::memset(link_.data(), 0, sizeof(QueueHeader));
    PITH_CHECK(queue_.attach(link_.data(), kWindowOffset, Fs::kEntries, std::move(signal), bits));
    queue_.resume();
    return {};
}

/// Whatever waits for the disk fails now, so the fiber comes to its end without waiting.
void Mount::stop() {
    disk_.abort();
    for (DataRead& read : reads_) read.used = false;
    reading_ = 0;
    fiber_.run();
    disk_.restart();
}

void Mount::clear_dead() {
    if (!disk_.used() || queue_.peer_alive()) return;
    stop();
    session_.open(0);
    watch_commit();
}

/// The fiber's function.
void Mount::serve() {
    for (;;) {
        Fs::Submission request;
        for (u32 turn = 1; !disk_.aborted() && queue_.attached() && queue_.take(request); turn++) {
            session_.carry_out(request);
            if (turn % kTurn == 0) sleep_for(0);
        }
        if (!disk_.aborted() && commit_at_ != 0 && pith::now() >= commit_at_) {
            session_.commit();
            commit_at_ = 0;
            continue;  // what was submitted meanwhile has woken nobody
        }
        watch_commit();
        sleep();
    }
}

/// Some time after the first change that is not committed it is time to commit.
void Mount::watch_commit() {
    if (!session_.uncommitted()) {
        commit_at_ = 0;
        commit_.cancel();
    } else if (commit_at_ == 0) {
        commit_at_ = pith::now() + kCommitInterval;
        commit_.arm(commit_at_);
    }
}

void Mount::sleep() {
    if (std::exchange(completed_, false)) queue_.notify();
    disk_.submit();
    fiber_.suspend();
}

void Mount::sleep_for(abi::Time time) {
    const abi::Time until = pith::now() + time;
    turn_.arm(until);
    do sleep();
    while (!disk_.aborted() && pith::now() < until);
}

Result<ext4::BlockDevice*> Mount::open(const Fs::Attach& where) {
    const HostDeadline deadline(kDiskPatience);
    auto client = disks_.open(where.disk);
    while (!client.ok() && client.error() != Error::not_found && client.error() != Error::io &&
           !deadline.passed() && !disk_.aborted()) {
        sleep_for(kDiskRetry);
        client = disks_.open(where.disk);
    }
    if (!client.ok()) return client.error() == Error::not_found ? Error::not_found : Error::io;
    const u64 sectors = client.value()->sectors();
    if (where.first_sector > sectors || where.sectors > sectors - where.first_sector || where.sectors == 0)
        return Error::invalid;
    auto free = disks_.check_free(disk_, *client.value(), where.first_sector, where.sectors);
    for (; free.error() == Error::would_block && !disk_.aborted();
         free = disks_.check_free(disk_, *client.value(), where.first_sector, where.sectors))
        sleep_for(kDiskRetry);
    PITH_CHECK(std::move(free));
    if (!disk_.use(*client.value(), where.first_sector, where.sectors)) return Error::io;
    return &disk_;
}

/// A client that has no room for it is its own misfortune.
void Mount::complete(const Fs::Completion& completion) {
    if (disk_.aborted()) return;
    static_cast<void>(queue_.complete(completion));
    completed_ = true;
}

void Mount::read(const Fs::Completion& completion, u64 place, std::span<const ext4::Piece> pieces) {
    // As many as the ring has entries can be under way, unless the client does not keep to it.
    while (reading_ == Fs::kEntries && !disk_.aborted()) sleep();
    if (disk_.aborted()) return;
    DataRead& read = *std::ranges::find(reads_, false, &DataRead::used);
    read.done = [](Disk::Batch& batch) {
        auto& self = static_cast<DataRead&>(batch);
        self.mount->answered(self);
    };
    read.left = 1;  // not done before the last piece has begun
    read.error = Error::ok;
    read.mount = this;
    read.completion = completion;
    read.used = true;
    reading_++;
    std::span<u8> to = link_.subspan(kWindowOffset + place);
    for (const ext4::Piece& piece : pieces) {
        const auto part = to.first(piece.length);
        to = to.subspan(piece.length);
        if (piece.device == ext4::Piece::kHole) std::ranges::fill(part, u8{0});
        else if (!disk_.begin_read(piece.device, part, read)) return;
    }
    if (--read.left == 0) answered(read);
}

void Mount::answered(DataRead& read) {
    Fs::Completion completion = read.completion;
    if (read.error != Error::ok) {
        completion.error = static_cast<u32>(Error::io);
        completion.value = 0;
    }
    read.used = false;
    reading_--;
    session_.fill(completion);
    complete(completion);
}

void Mount::finish_reads() {
    while (reading_ != 0 && !disk_.aborted()) sleep();
}

ext4::Time Mount::now() {
    const i64 time = wall_clock();
    const i64 second = static_cast<i64>(kSecond);
    return {time / second, static_cast<u32>(time % second)};
}

bool Mount::memory_short() {
    constexpr u64 kReserve = 768 << 10;
    static const u64 limit = [] {
        auto info = own_pool().pool_info();
        return info.ok() ? info->limit * abi::kPageSize : 0;
    }();
    const HeapUse use = heap_use();
    // Programs, stacks and tables are in the Pool too; the reserve is for them and for what one request takes.
    return use.allocated + 2 * kReserve > limit;
}

void Mount::start_over() {
    const abi::Time time = pith::now(), last = started_over_;
    if (last != 0 && last <= time && time - last < kDoubt) return;
    started_over_ = time;
    panic("a file system makes no sense: what is on the disk is looked at again");
}

void Mount::report(std::string_view text) { log_.write(text); }

}  // namespace pith::ext4fs
