// SPDX-License-Identifier: MIT
// The system call entry with the message words in the Frame, and the fast path of foreign threads (ipc_fast.hpp has those
// of native ones). Each fast path returns the Frame with the message words of the thread that it switched to (entry.hpp), or
// null.
#include "kernel/core/ipc_fast.hpp"

#include "kernel/core/call.hpp"

namespace pith::core {
namespace {

using abi::Syscall;

arch::Frame* call_from_frame(Cpu& cpu, Thread& thread) {
    const arch::Frame& frame = thread.frame;
    u64 badge;
    Thread* receiver = fast_call(cpu, thread, frame.handle(), frame.tag(), frame.deadline(), badge);
    if (receiver == nullptr) return nullptr;
    receiver->frame.set_badge(badge);
    receiver->frame.set_error(Error::ok);
    // Nobody touches this Frame before the receiver has run, which is on this CPU: so its words need no copying.
    return &thread.frame;
}

arch::Frame* reply_from_frame(Cpu& cpu, Thread& thread) {
    const arch::Frame& frame = thread.frame;
    Answer answer;
    Thread* caller = fast_reply_recv(cpu, thread, frame.handle(), frame.tag(), frame.deadline(),
                                     frame.word(0), answer, [&frame](Thread& to) {
                                         frame.copy_words_to(to.frame);
                                         to.frame.set_tag(frame.tag());
                                         to.frame.set_badge(0);
                                         to.frame.set_error(Error::ok);
                                     });
    return caller != nullptr ? &caller->frame : nullptr;
}

[[gnu::noinline]] arch::Frame* fast_foreign_call(Cpu& cpu, Thread& thread) {
    Endpoint* endpoint = thread.handler;
    if (endpoint == nullptr || thread.depth >= Thread::kMaxDepth) return nullptr;
    if (!alive(*endpoint)) return nullptr;
    CpuLock locked(cpu);
    Endpoint::Part& part = endpoint->parts[cpu.id];
    Thread* receiver = fast::waiting_receiver(part);
    if (receiver == nullptr) return nullptr;
    fast::connect(part, thread, *receiver);
    thread.state = State::at_event;
    thread.event = abi::Event::syscall;
    leave_current(cpu, thread);
    auto& page = *reinterpret_cast<abi::ForeignState*>(thread.buffer);
    thread.frame.save_to(page);
    page.event = static_cast<u64>(abi::Event::syscall);
    u64 words[abi::kRegisterWords];
    thread.frame.foreign_words(words);
    arch::Frame& to = receiver->frame;
    for (u32 i = 0; i < abi::kRegisterWords; i++) to.set_word(i, words[i]);
    to.set_tag(abi::kTagKernel | static_cast<u64>(abi::Event::syscall));
    to.set_badge(thread.badge);
    to.set_error(Error::ok);
    cpu.counts.fast_calls++;
    cpu.trace.add_at(cpu.switched_at, TraceKind::foreign, thread.id, receiver->id, words[0]);
    switch_to(cpu, *receiver);
    return &to;
}

}  // namespace

arch::Frame* foreign_syscall_entry() {
    Cpu& cpu = this_cpu();
    Thread& thread = *cpu.current;
    arch::Frame* words = fast_foreign_call(cpu, thread);
    return words != nullptr ? words : slow_foreign_call(cpu, thread);
}

arch::Frame* slow_syscall_entry() {
    Cpu& cpu = this_cpu();
    return slow_syscall(cpu, *cpu.current);
}

arch::Frame* syscall_entry() {
    Cpu& cpu = this_cpu();
    Thread& thread = *cpu.current;
    if (thread.kind == abi::ThreadKind::foreign) return foreign_syscall_entry();
    const u32 number = thread.frame.number();
    arch::Frame* words = nullptr;
    if (number == static_cast<u32>(Syscall::reply_recv)) {
        words = reply_from_frame(cpu, thread);
    } else if (number == static_cast<u32>(Syscall::call)) {
        words = call_from_frame(cpu, thread);
    } else if (number == static_cast<u32>(Syscall::null)) {
        thread.frame.set_error(Error::ok);
        return &thread.frame;
    }
    return words != nullptr ? words : slow_syscall(cpu, thread);
}

}  // namespace pith::core
