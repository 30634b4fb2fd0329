// SPDX-License-Identifier: MIT
#include "servers/linux/server.hpp"

#include "servers/linux/address_space.hpp"
#include "servers/linux/net/inet/network.hpp"
#include "servers/linux/syscall_table.hpp"
#include "servers/linux/vfs/diskfs/page_cache.hpp"

namespace pith::lx {

namespace {

constexpr i32 kTrapTrace = 2, kFpeDivide = 1, kIllOperand = 2, kBusAlign = 1;

/// Puts the answer in `message` if the thread goes on now.
bool leave(Thread& thread, Message& message, Return how, i64 result) {
    if (!thread.prepare_return(how, result)) return false;
    const abi::Resume resume = how == Return::result  ? abi::Resume::result
                               : how == Return::retry ? abi::Resume::retry
                                                      : abi::Resume::state;
    message.tag = abi::Tag(static_cast<u16>(resume), 0);
    message.words[0] = static_cast<u64>(result);
    return true;
}

bool handle_syscall(Zone& zone, Thread& thread, Message& message) {
    const u64 number = message.words[0];
    ++zone.statistics.syscalls;
    thread.call_number = static_cast<i64>(number);
    thread.call_args = {message.words[1], message.words[2], message.words[3],
                        message.words[4], message.words[5], message.words[6]};
    const SyscallHandler handler = syscall_handler(number);
    if (handler == nullptr) [[unlikely]] {
        ++zone.statistics.unknown_calls[static_cast<i32>(number)];
        return leave(thread, message, Return::result, -static_cast<i64>(Errno::ENOSYS));
    }
    const Outcome outcome = handler(thread, thread.call_args);
    if (outcome.is_pending()) return false;
    if (outcome.is_state()) {
        thread.call_number = -1;
        return leave(thread, message, Return::state, 0);
    }
    return leave(thread, message, Return::result, outcome.value());
}

SigInfo fault_signal(i32 signo, i32 code, u64 address) {
    SigInfo info;
    info.signo = signo;
    info.code = code;
    info.fault = {address, {}};
    return info;
}

/// The fault happens again a little later: by then who was killed has gone.
Task<void> retry_later(Thread& thread) {
    {
        Sleep sleep(thread, thread.zone().now() + 1'000'000, Interruptible::kill);
        static_cast<void>(co_await sleep);
    }
    Return how = Return::retry;
    i64 result = 0;
    if (thread.prepare_return(how, result)) thread.go_on(how, result);
}

/// Something is given up for memory: at best cached pages, at worst a process.
void free_memory(Zone& zone, Thread& thread) {
    constexpr u64 kFrames = 256;
    if (FrameReclaimer* cache = zone.frames.reclaimer();
        cache != nullptr && cache->reclaim(kFrames, true) != 0)
        return;
    if (zone.page_cache->relieve()) return;
    if (!zone.kill_for_memory()) thread.process.terminate(kSigKill, &thread);
}

bool out_of_memory(Zone& zone, Thread& thread, Message& message) {
    free_memory(zone, thread);
    if (thread.dying || !spawn(retry_later(thread))) return leave(thread, message, Return::retry, 0);
    return false;
}

/// The end of a fault but for no_memory: a signal, if it was one; how the thread goes on.
Return end_fault(Thread& thread, FaultResult result, u64 address) {
    switch (result) {
        case FaultResult::no_mapping: thread.force(fault_signal(kSigSegv, kSegvMapErr, address)); break;
        case FaultResult::no_access: thread.force(fault_signal(kSigSegv, kSegvAccErr, address)); break;
        case FaultResult::beyond_end: thread.force(fault_signal(kSigBus, kBusAdrErr, address)); break;
        default: return Return::retry;
    }
    return Return::state;
}

/// The page has to be read from a device first.
Task<void> fetch_and_go_on(Thread& thread, u64 address, Access access, MissingPage missing) {
    ++thread.usage.major_faults;
    FaultResult result = FaultResult::waits;
    {
        const DeviceWait waiting(thread);
        while (result == FaultResult::waits && !thread.fatal_signal_pending()) {
            const SysResult<> fetched = PITH_AWAIT(missing.source->fetch(missing.index));
            if (fetched.ok()) result = thread.process.memory->fault(address, access, 0, &missing);
            else result = fetched.error() == Errno::ENOMEM ? FaultResult::no_memory : FaultResult::beyond_end;
        }
    }
    if (result == FaultResult::no_memory && !thread.dying) {
        free_memory(thread.zone(), thread);
        Sleep sleep(thread, thread.zone().now() + 1'000'000, Interruptible::kill);
        static_cast<void>(co_await sleep);
    }
    Return how = end_fault(thread, result, address);
    i64 answer = 0;
    if (thread.prepare_return(how, answer)) thread.go_on(how, answer);
}

bool handle_page_fault(Zone& zone, Thread& thread, Message& message) {
    const u64 address = message.words[0], bits = message.words[1];
    const Access access = (bits & static_cast<u64>(abi::FaultAccess::write)) != 0     ? Access::write
                          : (bits & static_cast<u64>(abi::FaultAccess::execute)) != 0 ? Access::execute
                                                                                      : Access::read;
    ++zone.statistics.faults;
    ++thread.usage.minor_faults;
    thread.call_number = -1;
    MissingPage missing;
    const FaultResult result = thread.process.memory->fault(address, access, 0, &missing);
    if (result == FaultResult::waits && spawn(fetch_and_go_on(thread, address, access, std::move(missing))))
        return false;
    if (result == FaultResult::no_memory || result == FaultResult::waits)
        return out_of_memory(zone, thread, message);
    return leave(thread, message, end_fault(thread, result, address), 0);
}

bool handle_exception(Thread& thread, Message& message) {
    const u64 vector = message.words[0], rip = message.words[2];
    thread.call_number = -1;
    SigInfo info;
    switch (vector) {
        case 0: info = fault_signal(kSigFpe, kFpeDivide, rip); break;
        case 1: info = fault_signal(kSigTrap, kTrapTrace, rip); break;
        case 3: info = SigInfo::kernel(kSigTrap); break;
        case 6: info = fault_signal(kSigIll, kIllOperand, rip); break;
        case 16:
        case 19: info = fault_signal(kSigFpe, 7, rip); break;
        case 17: info = fault_signal(kSigBus, kBusAlign, message.words[3]); break;
        case 12: info = SigInfo::kernel(kSigBus); break;
        default: info = SigInfo::kernel(kSigSegv); break;
    }
    thread.force(info);
    return leave(thread, message, Return::state, 0);
}

}  // namespace

namespace {

bool answer_event(Zone& zone, Message& message) {
    zone.bury();
    // Only the kernel sends such messages, with the badge that the thread was made with.
    Thread& thread = *reinterpret_cast<Thread*>(message.badge);
    thread.at_event = true;
    ++thread.events;
    switch (static_cast<abi::Event>(message.tag.operation())) {
        case abi::Event::syscall: return handle_syscall(zone, thread, message);
        case abi::Event::page_fault: return handle_page_fault(zone, thread, message);
        case abi::Event::exception: return handle_exception(thread, message);
        case abi::Event::interrupted:
            thread.interrupt_sent = false;
            thread.call_number = -1;
            return leave(thread, message, Return::state, 0);
        default: return false;
    }
}

}  // namespace

bool handle_event(Zone& zone, Message& message) {
    zone.goes_on = answer_event(zone, message);
    // A thread that waits now has told the network all that it had for it.
    if (!zone.goes_on && zone.network != nullptr && zone.network->client) zone.network->client->flush();
    return zone.goes_on;
}

}  // namespace pith::lx
