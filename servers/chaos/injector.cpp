// SPDX-License-Identifier: MIT
#include "servers/chaos/injector.hpp"

#include <algorithm>
#include <cstring>

#include "lib/os/clock.hpp"
#include "lib/os/start_info.hpp"
#include "servers/chaos/gadget.hpp"

namespace pith::chaos {

namespace {

constexpr int kAttempts = 64;      // at a place that may be written
constexpr usize kStackWords = 64;  // of the stack's top that may be hit
constexpr u64 kCodeReach = 256;    // bytes from where it is
constexpr u32 kStorm = 2000;       // notifications
constexpr abi::Time kGust = 10 * kMicrosecond;
constexpr u64 kText = 0x40'0000, kTextReach = 0x10'0000;

struct Range {
    u64 first, length;
};
// Where its own data are, and where what it shares (lib/os/start_info.hpp).
constexpr Range kData[] = {
    {kText, kTextReach}, {kStackTop - 0x8000, 0x8000}, {kHeapBase, 0x8'0000}, {kFirstBuffer, 1024}};
constexpr Range kHeap[] = {{kHeapBase, 0x8'0000}};
constexpr Range kShared[] = {{kMappingBase, 0x20'0000}};

/// Stops a thread for as long as it lives.
class Halt {
  public:
    explicit Halt(const Handle<Thread>& thread) : thread_(thread) { static_cast<void>(thread.stop()); }
    Halt(const Halt&) = delete;
    Halt& operator=(const Halt&) = delete;
    ~Halt() { static_cast<void>(thread_.resume_stopped()); }

  private:
    const Handle<Thread>& thread_;
};

Slots slots_of(const StartInfo& info) {
    Slots slots;
    for (u32 i = 0; i < info.handle_count && i < kMaxStartHandles; i++) {
        const NamedHandle& entry = info.handles[i];
        if (std::strncmp(entry.name, "endpoint", sizeof(entry.name)) == 0) slots.endpoint = entry.handle;
        if (std::strncmp(entry.name, "supervisor", sizeof(entry.name)) == 0) slots.supervisor = entry.handle;
    }
    return slots;
}

}  // namespace

Result<> Injector::inject(Fault fault, const Insides& insides) {
    if (fault == Fault::storm) return storm(insides.signal);
    if (fault == Fault::pool) return exhaust(insides.pool);
    const Halt halt(insides.thread);
    Intruder intruder = PITH_TRY(Intruder::enter(insides.space));
    const auto info = PITH_TRY(insides.thread.thread_info());
    switch (fault) {
        case Fault::registers: return flip_stack(intruder, info.rsp);
        case Fault::code: return flip_code(intruder, info.rip);
        case Fault::data:
        case Fault::heap:
        case Fault::shared: return spoil(intruder, fault);
        default: return run_gadget(fault, intruder, info.rip);
    }
}

Result<> Injector::run_gadget(Fault fault, Intruder& intruder, u64 rip) {
    static StartInfo info;
    PITH_CHECK(intruder.read(kStartInfo, {reinterpret_cast<u8*>(&info), sizeof(info)}));
    const Gadget gadget = Gadget::of(fault, slots_of(info), random_);
    if (gadget.bytes().empty()) return Error::unsupported;
    return intruder.patch(rip, gadget.bytes(), kept_);
}

/// Bits that nobody raised, its heartbeat's and the system's others among them.
Result<> Injector::storm(const Handle<Signal>& signal) {
    for (u32 i = 0; i < kStorm; i++) {
        PITH_CHECK(signal.notify(random_.next()));
        pause_until(now() + kGust);
    }
    return {};
}

/// Takes all that is left of its run Pool, until clean_up.
Result<> Injector::exhaust(const Handle<Pool>& pool) {
    auto info = PITH_TRY(pool.pool_info());
    for (u64 pages = info.limit - info.used; pages > 0;) {
        auto memory = pool.create_memory(pages * abi::kPageSize);
        if (memory.ok()) kept_.emplace_back(std::move(*memory));
        else pages /= 2;
    }
    return {};
}

/// A bit of a word that is in use there: as often as not a return address, if there is one.
Result<> Injector::flip_stack(Intruder& intruder, u64 rsp) {
    u64 words[kStackWords];
    const u64 end = (rsp | (abi::kPageSize - 1)) + 1;  // the page above it may be none
    const usize count = std::min<u64>(kStackWords, (end - rsp) / sizeof(u64));
    if (count == 0) return Error::unsupported;
    PITH_CHECK(intruder.read(rsp, {reinterpret_cast<u8*>(words), count * sizeof(u64)}));
    const bool returns = random_.below(2) == 0;
    usize chosen[kStackWords], choices = 0;
    for (usize k = 0; k < count; k++) {
        const bool address = words[k] >= kText && words[k] < kText + kTextReach;
        if (returns ? address : words[k] != 0) chosen[choices++] = k;
    }
    if (choices == 0) return Error::unsupported;
    const usize k = chosen[random_.below(choices)];
    words[k] ^= u64{1} << random_.below(returns ? 24 : 64);
    return intruder.write(rsp + k * sizeof(u64), {reinterpret_cast<const u8*>(words + k), sizeof(u64)});
}

Result<> Injector::flip_code(Intruder& intruder, u64 rip) {
    const u64 address = rip + random_.below(kCodeReach);
    u8 byte;
    PITH_CHECK(intruder.read(address, {&byte, 1}));
    byte = static_cast<u8>(byte ^ 1u << random_.below(8));
    return intruder.patch(address, {&byte, 1}, kept_);
}

/// A bit, or 64 bytes, at a random place of those that can be written.
Result<> Injector::spoil(Intruder& intruder, Fault fault) {
    const std::span<const Range> ranges = fault == Fault::data   ? std::span<const Range>(kData)
                                          : fault == Fault::heap ? std::span<const Range>(kHeap)
                                                                 : std::span<const Range>(kShared);
    for (int i = 0; i < kAttempts; i++) {
        const Range& range = ranges[random_.below(ranges.size())];
        const u64 address = range.first + (random_.below(range.length - 64) & ~u64{7});
        u64 words[8];
        const std::span<u8> bytes(reinterpret_cast<u8*>(words), fault == Fault::data ? 8 : sizeof(words));
        if (!intruder.read(address, bytes).ok()) continue;
        if (fault == Fault::data) words[0] ^= u64{1} << random_.below(64);
        else
            for (u64& word : words) word = random_.next();
        if (intruder.write(address, bytes).ok()) return {};
    }
    return Error::unsupported;
}

}  // namespace pith::chaos
