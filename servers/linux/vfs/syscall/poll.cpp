// SPDX-License-Identifier: MIT
// poll, ppoll, select, pselect6.
#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

#include "servers/linux/heap_guard.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"
#include "servers/linux/vfs/syscall/time.hpp"

namespace pith::lx {

namespace {

struct PollItem {
    i32 descriptor;
    i16 events;
    i16 returned;
};
static_assert(sizeof(PollItem) == 8);

/// Puts a Sleep into the queues of all files.
class SleepPoller : public Poller {
  public:
    explicit SleepPoller(Sleep& sleep) : sleep_(sleep) {}
    void watch(WaitQueue& queue) override {
        entries_.emplace_back(sleep_);
        queue.add(entries_.back());
    }

  private:
    Sleep& sleep_;
    std::deque<SleepEntry> entries_;
};

/// One look at all; `held` keeps the files of a waiting call. Number of those that have something.
u64 look(Thread& thread, std::vector<PollItem>& items, Poller* poller, std::vector<Ref<File>>* held) {
    u64 ready = 0;
    for (PollItem& item : items) {
        item.returned = 0;
        if (item.descriptor < 0) continue;
        File* file = thread.process.files->find(item.descriptor);
        u32 bits = kPollInvalid;
        if (file != nullptr && !file->path_only()) {
            const u32 wanted = static_cast<u16>(item.events) | kPollError | kPollHangUp;
            if (held != nullptr) held->push_back(Ref<File>(file));
            bits = file->poll(poller) & wanted;
        }
        item.returned = static_cast<i16>(bits);
        if (bits != 0) ++ready;
    }
    return ready;
}

/// Waits until there is something, the deadline passes (0: never), or a signal comes.
Task<SysResult<u64>> wait_for_any(Thread& thread, std::vector<PollItem>& items, Time deadline) {
    std::vector<Ref<File>> held;
    Sleep sleep(thread, deadline);
    SleepPoller poller(sleep);
    u64 ready = look(thread, items, &poller, &held);
    while (ready == 0) {
        const SysResult<> woken = co_await sleep;
        if (woken.error() == Errno::ETIMEDOUT) co_return u64{0};
        if (!woken.ok()) co_return Errno::ERESTARTNOHAND;
        ready = look(thread, items, nullptr, nullptr);
    }
    co_return ready;
}

SysResult<> store_items(Thread& thread, u64 address, const std::vector<PollItem>& items) {
    for (usize i = 0; i < items.size(); ++i) {
        PITH_CHECK(put(thread, address + i * sizeof(PollItem) + 6, items[i].returned));
    }
    return {};
}

/// When a call with a timeout ends, and how it tells what is left of it.
struct Timeout {
    Time deadline = 0;  ///< 0: never
    bool at_once = false;
    u64 remaining_at = 0;  ///< address of the timespec or timeval to update; 0: none
    bool timeval = false;

    SysResult<> store_remaining(Thread& thread) const {
        if (remaining_at == 0) return {};
        const Time now = thread.zone().now();
        const u64 left = deadline > now ? deadline - now : 0;
        const i64 seconds = static_cast<i64>(left / 1'000'000'000),
                  rest = static_cast<i64>(left % 1'000'000'000);
        // A failure to tell is not an error of the call.
        if (timeval) return put(thread, remaining_at, Timeval{seconds, rest / 1000});
        return put(thread, remaining_at, Timespec{seconds, rest});
    }
};

Task<SysResult<u64>> slow_poll(Thread& thread, u64 address, std::vector<PollItem> items, Timeout timeout) {
    const SysResult<u64> ready = co_await wait_for_any(thread, items, timeout.deadline);
    const bool told = timeout.store_remaining(thread).ok();
    if (!ready.ok()) co_return told ? ready.error() : Errno::EINTR;
    PITH_CO_CHECK(store_items(thread, address, items));
    co_return ready;
}

Outcome do_poll(Thread& thread, u64 address, u64 count, const Timeout& timeout) {
    if (count > descriptor_limit(thread)) return Errno::EINVAL;
    constexpr u64 kCostEach = 128;  // with its registration, should it come to waiting
    if (!heap_room(count * kCostEach)) return Errno::ENOMEM;
    std::vector<PollItem> items(count);
    if (count != 0) {
        if (const auto copied = copy_in(thread, items.data(), address, count * sizeof(PollItem));
            !copied.ok())
            return copied;
    }
    const u64 ready = look(thread, items, nullptr, nullptr);
    if (ready == 0 && !timeout.at_once)
        return run(thread, slow_poll(thread, address, std::move(items), timeout));
    static_cast<void>(timeout.store_remaining(thread));
    if (const SysResult<> stored = store_items(thread, address, items); !stored.ok()) return stored;
    return ready;
}

/// A relative timespec at `address` (0: no limit), kept up to date.
SysResult<Timeout> timespec_timeout(Thread& thread, u64 address) {
    Timeout timeout;
    if (address == 0) return timeout;
    const auto time = PITH_TRY(get<Timespec>(thread, address));
    if (!valid_timespec(time)) return Errno::EINVAL;
    timeout.at_once = time.seconds == 0 && time.nanoseconds == 0;
    timeout.deadline = deadline_after(thread.zone().now(), time);
    timeout.remaining_at = address;
    return timeout;
}

/// The signal mask of a p-call, if there is one.
SysResult<> use_mask(Thread& thread, u64 address, u64 size) {
    if (address == 0) return {};
    if (size != sizeof(SigSet)) return Errno::EINVAL;
    thread.set_temporary_mask(PITH_TRY(get<SigSet>(thread, address)));
    return {};
}

}  // namespace

Outcome sys_poll(Thread& thread, const SyscallArgs& args) {
    Timeout timeout;
    const i32 milliseconds = as_int(args.a2);
    timeout.at_once = milliseconds == 0;
    if (milliseconds > 0) timeout.deadline = thread.zone().now() + static_cast<u64>(milliseconds) * 1'000'000;
    return do_poll(thread, args.a0, as_unsigned(args.a1), timeout);
}

Outcome sys_ppoll(Thread& thread, const SyscallArgs& args) {
    const SysResult<Timeout> timeout = timespec_timeout(thread, args.a2);
    if (!timeout.ok()) return timeout.error();
    if (const SysResult<> masked = use_mask(thread, args.a3, args.a4); !masked.ok()) return masked;
    return do_poll(thread, args.a0, as_unsigned(args.a1), timeout.value());
}

namespace {

constexpr u32 kSelectRead = kPollIn | kPollReadNormal | kPollReadBand | kPollHangUp | kPollError;
constexpr u32 kSelectWrite = kPollOut | kPollWriteNormal | kPollWriteBand | kPollError;
constexpr u32 kSelectExcept = kPollPriority;

/// The three bit sets of select, as poll items.
struct SelectSets {
    u64 address[3];
    usize words;  ///< 64 bits each
    std::vector<u64> bits[3];

    SysResult<> load(Thread& thread, usize count) {
        words = (count + 63) / 64;
        for (u32 i = 0; i < 3; ++i) {
            bits[i].assign(words, 0);
            if (address[i] == 0 || words == 0) continue;
            PITH_CHECK(copy_in(thread, bits[i].data(), address[i], (count + 7) / 8));
            if (count % 64 != 0) bits[i].back() &= (u64{1} << count % 64) - 1;
        }
        return {};
    }
    bool has(u32 set, usize number) const { return (bits[set][number / 64] >> number % 64 & 1) != 0; }
    SysResult<> store(Thread& thread, usize count, const std::vector<PollItem>& items, u64& total) {
        std::vector<u64> found[3];
        for (auto& set : found) set.assign(words, 0);
        total = 0;
        static constexpr u32 kMasks[] = {kSelectRead, kSelectWrite, kSelectExcept};
        for (const PollItem& item : items) {
            const usize number = static_cast<usize>(item.descriptor);
            for (u32 set = 0; set < 3; ++set) {
                if (!has(set, number) || (static_cast<u16>(item.returned) & kMasks[set]) == 0) continue;
                found[set][number / 64] |= u64{1} << number % 64;
                ++total;
            }
        }
        for (u32 set = 0; set < 3; ++set) {
            if (address[set] != 0 && words != 0)
                PITH_CHECK(copy_out(thread, address[set], found[set].data(), (count + 7) / 8));
        }
        return {};
    }
};

Task<SysResult<u64>> slow_select(Thread& thread, SelectSets sets, usize count, std::vector<PollItem> items,
                                 Timeout timeout) {
    const SysResult<u64> ready = co_await wait_for_any(thread, items, timeout.deadline);
    const bool told = timeout.store_remaining(thread).ok();
    if (!ready.ok()) co_return told ? ready.error() : Errno::EINTR;
    u64 total;
    PITH_CO_CHECK(sets.store(thread, count, items, total));
    co_return total;
}

Outcome do_select(Thread& thread, const SyscallArgs& args, const Timeout& timeout) {
    const i32 given = as_int(args.a0);
    if (given < 0) return Errno::EINVAL;
    // Bits above what could be open are not looked at.
    const usize count = std::min<usize>(
        static_cast<usize>(given),
        std::max<usize>(64, (static_cast<usize>(thread.process.files->end()) + 63) / 64 * 64));
    SelectSets sets{{args.a1, args.a2, args.a3}, 0, {}};
    if (const SysResult<> loaded = sets.load(thread, count); !loaded.ok()) return loaded;
    std::vector<PollItem> items;
    for (usize number = 0; number < count; ++number) {
        u32 wanted = 0;
        if (sets.has(0, number)) wanted |= kSelectRead;
        if (sets.has(1, number)) wanted |= kSelectWrite;
        if (sets.has(2, number)) wanted |= kSelectExcept;
        if (wanted == 0) continue;
        File* file = thread.process.files->find(static_cast<i32>(number));
        if (file == nullptr || file->path_only()) return Errno::EBADF;
        items.push_back({static_cast<i32>(number), static_cast<i16>(wanted), 0});
    }
    const u64 ready = look(thread, items, nullptr, nullptr);
    if (ready == 0 && !timeout.at_once)
        return run(thread, slow_select(thread, std::move(sets), count, std::move(items), timeout));
    static_cast<void>(timeout.store_remaining(thread));
    u64 total;
    if (const SysResult<> stored = sets.store(thread, count, items, total); !stored.ok()) return stored;
    return total;
}

}  // namespace

Outcome sys_select(Thread& thread, const SyscallArgs& args) {
    Timeout timeout;
    if (args.a4 != 0) {
        const SysResult<Timeval> time = get<Timeval>(thread, args.a4);
        if (!time.ok()) return time.error();
        const Timeval& value = time.value();
        if (value.seconds < 0 || value.microseconds < 0) return Errno::EINVAL;
        const Timespec length{value.seconds + value.microseconds / 1'000'000,
                              value.microseconds % 1'000'000 * 1000};
        timeout.at_once = length.seconds == 0 && length.nanoseconds == 0;
        timeout.deadline = deadline_after(thread.zone().now(), length);
        timeout.remaining_at = args.a4;
        timeout.timeval = true;
    }
    return do_select(thread, args, timeout);
}

Outcome sys_pselect6(Thread& thread, const SyscallArgs& args) {
    struct MaskArgument {
        u64 address, size;
    } mask{};
    if (args.a5 != 0) {
        const SysResult<MaskArgument> given = get<MaskArgument>(thread, args.a5);
        if (!given.ok()) return given.error();
        mask = given.value();
    }
    const SysResult<Timeout> timeout = timespec_timeout(thread, args.a4);
    if (!timeout.ok()) return timeout.error();
    if (const SysResult<> masked = use_mask(thread, mask.address, mask.size); !masked.ok()) return masked;
    return do_select(thread, args, timeout.value());
}

}  // namespace pith::lx
