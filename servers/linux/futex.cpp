// SPDX-License-Identifier: MIT
// Waiters hang in hash buckets by key. A waiter is woken by taking it out of its bucket and ending its Sleep; one that
// was requeued has its key changed in place.
#include "servers/linux/futex.hpp"

#include <algorithm>

#include "servers/linux/address_space.hpp"
#include "servers/linux/time_types.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kWait = 0, kWake = 1, kRequeue = 3, kCmpRequeue = 4, kWakeOp = 5, kWaitBitset = 9,
              kWakeBitset = 10;
constexpr u32 kPrivate = 128, kClockRealtime = 256;
constexpr u32 kAllBits = ~0u;
constexpr u32 kOwnerDied = 0x4000'0000, kWaiters = 0x8000'0000, kTidMask = 0x3fff'ffff;
constexpr usize kBuckets = 64;
constexpr u32 kMaxRobust = 2048;

struct Key {
    const void* object = nullptr;  ///< PageSource or AddressSpace
    u64 offset = 0;
    bool operator==(const Key&) const = default;
};

struct Waiter {
    Waiter(const Key& where, u32 which, Sleep& waiting) : key(where), bits(which), sleep(waiting) {}
    Key key;
    u32 bits;
    Sleep& sleep;
    bool woken = false;
    Waiter* next = nullptr;
    Waiter* previous = nullptr;
};

struct Bucket {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
    void add(Waiter& waiter) {
        waiter.previous = last;
        waiter.next = nullptr;
        (last != nullptr ? last->next : first) = &waiter;
        last = &waiter;
    }
    void remove(Waiter& waiter) {
        (waiter.previous != nullptr ? waiter.previous->next : first) = waiter.next;
        (waiter.next != nullptr ? waiter.next->previous : last) = waiter.previous;
    }
};

constinit Bucket buckets[kBuckets];

Bucket& bucket(const Key& key) {
    const u64 mixed = (reinterpret_cast<u64>(key.object) >> 4 ^ key.offset >> 2) * 0x9e37'79b9'7f4a'7c15;
    return buckets[mixed >> 58];
}

SysResult<Key> make_key(Thread& thread, u64 address, bool is_private) {
    if (address % 4 != 0) return Errno::EINVAL;
    AddressSpace& space = *thread.process.memory;
    if (!is_private) {
        const Vma* area = space.find(address);
        if (area == nullptr) return Errno::EFAULT;
        if (area->shared && area->source)
            return Key{area->source.get(), area->source_page * kPageSize + (address - area->start)};
    }
    return Key{&space, address};
}

u32 wake_key(const Key& key, u32 count, u32 bits) {
    u32 woken = 0;
    Bucket& list = bucket(key);
    for (Waiter* at = list.first; at != nullptr && woken < count;) {
        Waiter& waiter = *at;
        at = at->next;
        if (!(waiter.key == key) || (waiter.bits & bits) == 0) continue;
        list.remove(waiter);
        waiter.woken = true;
        waiter.sleep.wake();
        ++woken;
    }
    return woken;
}

u32 requeue(const Key& from, const Key& to, u32 count) {
    u32 moved = 0;
    Bucket& list = bucket(from);
    for (Waiter* at = list.first; at != nullptr && moved < count;) {
        Waiter& waiter = *at;
        at = at->next;
        if (!(waiter.key == from)) continue;
        list.remove(waiter);
        waiter.key = to;
        bucket(to).add(waiter);
        ++moved;
    }
    return moved;
}

Task<SysResult<u64>> wait(Thread& thread, Key key, u32 bits, Time deadline, bool relative) {
    Sleep sleep(thread, deadline);
    Waiter waiter(key, bits, sleep);
    bucket(key).add(waiter);
    const SysResult<> slept = co_await sleep;
    if (waiter.woken) co_return u64{0};
    bucket(waiter.key).remove(waiter);
    if (slept.ok()) co_return Errno::EAGAIN;
    if (slept.error() == Errno::ETIMEDOUT || !relative) co_return slept.error();
    // A relative time-out does not begin anew after a handler.
    co_return Errno::ERESTARTNOHAND;
}

SysResult<Time> deadline_of(Thread& thread, u64 address, u32 command, bool realtime) {
    if (address == 0) return Time{0};
    const auto time = PITH_TRY(get<TimeSpec>(thread, address));
    if (!time.valid()) return Errno::EINVAL;
    Zone& zone = thread.zone();
    const u64 nanoseconds = time.nanoseconds_total();
    if (command == kWait) return std::max<Time>(1, add_time(zone.now(), nanoseconds));
    if (!realtime) return std::max<Time>(2, nanoseconds);
    const i64 monotonic = static_cast<i64>(std::min<u64>(nanoseconds, i64{1} << 62)) - zone.realtime_offset;
    return monotonic > 2 ? static_cast<Time>(monotonic) : 2;
}

Outcome futex_wait(Thread& thread, const SyscallArgs& args, u32 command, bool is_private, bool realtime) {
    const u32 bits = command == kWait ? kAllBits : static_cast<u32>(args.a5);
    if (bits == 0) return Errno::EINVAL;
    const auto deadline = deadline_of(thread, args.a3, command, realtime);
    if (!deadline.ok()) return deadline.error();
    const auto key = make_key(thread, args.a0, is_private);
    if (!key.ok()) return key.error();
    const auto value = get<u32>(thread, args.a0);
    if (!value.ok()) return value.error();
    if (value.value() != static_cast<u32>(args.a2)) return Errno::EAGAIN;
    return run(thread, wait(thread, key.value(), bits, deadline.value(), command == kWait && args.a3 != 0));
}

Outcome futex_wake_op(Thread& thread, const SyscallArgs& args, const Key& first, const Key& second) {
    const u32 code = static_cast<u32>(args.a5);
    u32 operand = static_cast<u32>(static_cast<i32>(code << 8) >> 20);
    const i32 comparand = static_cast<i32>(code << 20) >> 20;
    if ((code >> 31) != 0) operand = 1u << (operand & 31);
    const auto before = get<u32>(thread, args.a4);
    if (!before.ok()) return before.error();
    const u32 old = before.value();
    u32 value = old;
    switch (code >> 28 & 7) {
        case 0: value = operand; break;
        case 1: value = old + operand; break;
        case 2: value = old | operand; break;
        case 3: value = old & ~operand; break;
        case 4: value = old ^ operand; break;
        default: return Errno::ENOSYS;
    }
    if (const auto stored = put(thread, args.a4, value); !stored.ok()) return stored.error();
    const auto signed_old = static_cast<i32>(old);
    bool holds = false;
    switch (code >> 24 & 15) {
        case 0: holds = signed_old == comparand; break;
        case 1: holds = signed_old != comparand; break;
        case 2: holds = signed_old < comparand; break;
        case 3: holds = signed_old <= comparand; break;
        case 4: holds = signed_old > comparand; break;
        case 5: holds = signed_old >= comparand; break;
        default: return Errno::ENOSYS;
    }
    u32 woken = wake_key(first, static_cast<u32>(args.a2), kAllBits);
    if (holds) woken += wake_key(second, static_cast<u32>(args.a3), kAllBits);
    return woken;
}

}  // namespace

u32 futex_wake(Thread& thread, u64 address, u32 count, u32 bits, bool is_private) {
    const auto key = make_key(thread, address, is_private);
    return key.ok() ? wake_key(key.value(), count, bits) : 0;
}

Outcome sys_futex(Thread& thread, const SyscallArgs& args) {
    const auto operation = static_cast<u32>(args.a1);
    const u32 command = operation & ~(kPrivate | kClockRealtime);
    const bool is_private = (operation & kPrivate) != 0, realtime = (operation & kClockRealtime) != 0;
    if (realtime && command != kWaitBitset) return Errno::ENOSYS;
    if (command == kWait || command == kWaitBitset)
        return futex_wait(thread, args, command, is_private, realtime);
    const auto key = make_key(thread, args.a0, is_private);
    if (!key.ok()) return key.error();
    const auto count = static_cast<u32>(args.a2);
    if (command == kWake) return wake_key(key.value(), count, kAllBits);
    if (command == kWakeBitset)
        return args.a5 == 0 ? Outcome(Errno::EINVAL)
                            : Outcome(wake_key(key.value(), count, static_cast<u32>(args.a5)));
    if (command != kRequeue && command != kCmpRequeue && command != kWakeOp) return Errno::ENOSYS;
    const auto other = make_key(thread, args.a4, is_private);
    if (!other.ok()) return other.error();
    if (command == kWakeOp) return futex_wake_op(thread, args, key.value(), other.value());
    if (command == kCmpRequeue) {
        const auto value = get<u32>(thread, args.a0);
        if (!value.ok()) return value.error();
        if (value.value() != static_cast<u32>(args.a5)) return Errno::EAGAIN;
    }
    const u32 woken = wake_key(key.value(), count, kAllBits);
    const u32 moved = requeue(key.value(), other.value(), static_cast<u32>(args.a3));
    return woken + moved;
}

namespace {

/// The owner of this lock has died with it.
void mark_dead(Thread& thread, u64 address) {
    auto value = get<u32>(thread, address);
    if (!value.ok() || (value.value() & kTidMask) != static_cast<u32>(thread.tid)) return;
    static_cast<void>(put(thread, address, (value.value() & kWaiters) | kOwnerDied));
    if ((value.value() & kWaiters) != 0) futex_wake(thread, address, 1, kAllBits, false);
}

void walk_robust_list(Thread& thread) {
    struct Head {
        u64 next;
        i64 offset;
        u64 pending;
    };
    const auto head = get<Head>(thread, thread.robust_list);
    if (!head.ok()) return;
    const auto lock = [&](u64 entry) { return (entry & ~u64{1}) + static_cast<u64>(head.value().offset); };
    u64 entry = head.value().next;
    for (u32 i = 0; i < kMaxRobust && (entry & ~u64{1}) != thread.robust_list && entry != 0; ++i) {
        const auto next = get<u64>(thread, entry & ~u64{1});
        if (entry != head.value().pending) mark_dead(thread, lock(entry));
        if (!next.ok()) break;
        entry = next.value();
    }
    if (head.value().pending != 0) mark_dead(thread, lock(head.value().pending));
}

}  // namespace

void release_futexes(Thread& thread) {
    if (thread.robust_list != 0) walk_robust_list(thread);
    if (thread.clear_tid == 0) return;
    // Of no use to a process that goes as a whole.
    if (thread.process.memory->ref_count() > 1 || thread.process.threads.size() > 1) {
        static_cast<void>(put(thread, thread.clear_tid, u32{0}));
        futex_wake(thread, thread.clear_tid, 1, kAllBits, true);
        futex_wake(thread, thread.clear_tid, 1, kAllBits, false);
    }
    thread.clear_tid = 0;
}

Outcome sys_set_robust_list(Thread& thread, const SyscallArgs& args) {
    if (args.a1 != 24) return Errno::EINVAL;
    thread.robust_list = args.a0;
    return 0;
}

Outcome sys_get_robust_list(Thread& thread, const SyscallArgs& args) {
    const Thread* target = args.a0 == 0 ? &thread : thread.zone().find_thread(static_cast<Pid>(args.a0));
    if (target == nullptr) return Errno::ESRCH;
    if (const auto done = put(thread, args.a2, u64{24}); !done.ok()) return done.error();
    return put(thread, args.a1, target->robust_list);
}

}  // namespace pith::lx
