// SPDX-License-Identifier: MIT
// The contract between the portable core and an architecture.
//
// An architecture is a folder F (kernel/arch/x86_64; tests/host/arch/fake) that the build adds to the include
// path. It provides F/arch/{frame,cpu,paging,fpu,interrupt,machine}.hpp, which declare in namespace
// pith::arch what stands below as concepts and static_asserts (all small functions inline). They may include
// abi/, lib/base and kernel/core/contract.hpp, and nothing else of the core. In turn the architecture calls
// the entries in kernel/core/entry.hpp. All code of the kernel runs with interrupts off, but within
// `interrupt_window` and `idle`.
#pragma once

#include <concepts>

#include "abi/thread.hpp"
#include "arch/cpu.hpp"
#include "arch/fpu.hpp"
#include "arch/frame.hpp"
#include "arch/interrupt.hpp"
#include "arch/machine.hpp"
#include "arch/paging.hpp"
#include "kernel/core/contract.hpp"
#include "lib/base/result.hpp"

namespace pith::arch {

/// arch/frame.hpp: `struct Frame`, the user registers of a thread, a member of core::Thread. The accessors
/// follow abi/syscall.hpp's convention.
///
/// - `handle()`, `number()`: of the system call. `arg(i)`, `set_arg(i, v)`: a0..a5.
/// - `set_error(e)`: rax alone. `set_result(e, r0, r1, r2)`: rax, rdx, r10, r8.
/// - `tag/set_tag` (rdi), `deadline` and `set_badge` (rsi), `word(i)/set_word(i, v)` (w0..w7).
/// - `copy_words_to(to)`: all eight words.
/// - `restart()`: the next instruction run is the `syscall` again, with the number and handle still in rax
///   (so the core calls no set_error before it); rcx and r11 need not survive.
/// - `init_native(ip, sp, argument, tls)`: all other registers 0; tls is the fs base.
/// - Foreign threads: `load_from` (sanitises: see ForeignState) and `save_to` (rax..gs_base; the core fills
///   event and fault fields).
/// - `set_foreign_result(rax)`; `foreign_number()`: of its system call; `foreign_words(u64 w[8])`: rax rdi rsi rdx r10 r8 r9 rip.
/// - `registers(u64 out[16])`: in the order of ThreadInfo::registers. `ip()`, `sp()`.
template <typename F>
concept FrameContract = requires(F f, const F c, F& to, u64 v, unsigned i, Error e, abi::ForeignState s,
                                 u64* words) {
    { c.number() } -> std::same_as<u32>;
    { c.handle() } -> std::same_as<abi::HandleIndex>;
    { c.arg(i) } -> std::same_as<u64>;
    f.set_arg(i, v);
    f.set_error(e);
    f.set_result(e, v, v, v);
    { c.tag() } -> std::same_as<u64>;
    f.set_tag(v);
    { c.deadline() } -> std::same_as<abi::Time>;
    f.set_badge(v);
    { c.word(i) } -> std::same_as<u64>;
    f.set_word(i, v);
    c.copy_words_to(to);
    f.restart();
    { c.ip() } -> std::same_as<u64>;
    { c.sp() } -> std::same_as<u64>;
    f.init_native(v, v, v, v);
    c.save_to(s);
    f.load_from(s);
    f.set_foreign_result(v);
    c.foreign_words(words);
    { c.foreign_number() } -> std::same_as<u64>;
    c.registers(words);
};
static_assert(FrameContract<Frame>);

/// arch/cpu.hpp: `struct CpuArea`, the architecture's part of a core::Cpu (its first member; `core::Thread* current`
/// in it is whose Frame the exit path resumes; null: it idles; `kThreadFrame` in arch/frame.hpp is where in a Thread that
/// is). The core has an array `core::Cpu core::cpus[]`; the architecture makes this_cpu() (declared in contract.hpp, defined
/// inline in arch/cpu.hpp) return this CPU's element.
///
/// - `leave_frame(frame)`: the user state that is live in the processor beyond what the entry stub stored (fs
///   and gs base) goes to the Frame. `enter_frame(frame)`: loads that state. The core calls these in pairs when another thread
///   becomes current; and save_to only after leave_frame. `enter_frame_after(before, frame)`: the same, where `before` was
///   left last.
/// - After a syscall entry the exit path loads message words and tag from the Frame of the thread that it returned.
/// - `send_ipi(cpu)`: the other CPU calls core::ipi_entry soon. `now()`: nanoseconds since boot; `time_at(ticks)`: the same
///   when ticks() was that, not long ago.
/// - `arm_timer(absolute)`: core::timer_entry is called at or soon after it; kNever disarms.
/// - `interrupt_window()`: pending interrupts come in (entries get nested = true), then interrupts are off
///   again.
/// - `relax()`: in spin loops. `ticks()`: cheap cycle counter.
template <typename A>
concept CpuContract = requires(A area, Frame* frame, u32 cpu, abi::Time t) {
    { area.current } -> std::same_as<core::Thread*&>;
    leave_frame(*frame);
    enter_frame(*frame);
    send_ipi(cpu);
    { now() } -> std::same_as<abi::Time>;
    { time_at(t) } -> std::same_as<abi::Time>;
    arm_timer(t);
    interrupt_window();
    relax();
    { ticks() } -> std::same_as<u64>;
};
static_assert(CpuContract<CpuArea>);

/// arch/paging.hpp: `class Entry`, a leaf page table entry, and `class PageTables`, those of one Space.
///
/// Entry: rights are kMap bits; `maximum` are the rights that the mapping may ever have (kept in bits that
/// the processor ignores). A mapped entry may have rights 0 (not accessible, but still `mapped`). Entries are
/// read and written whole; the core holds the Space's lock.
/// - `set(physical, rights, maximum, cache, mark)`, `mark()` (below kMarks, means nothing to it), `clear()`, `set_rights(rights)`, `clear_dirty()`. PageTables:
///   default-constructed it has no tables.
/// - `create(TableSource&)`: the root table with the kernel's part. `created()`.
/// - `reserve(address, TableSource&)`: allocates what lacks down to the leaf; the entry.
/// - `find(address)`: the entry or null. Entries of pages that follow one another in one leaf table
///   (kLeafSpan bytes, aligned) follow one another in memory.
/// - `next(address, end)`: the lowest address >= `address` with a leaf table, or `end`. In a long hole it stops sooner, at an
///   address without one, from where to look on.
/// - `release_one(TableSource&)`: gives back one table page; false: none is left (the root has gone too).
/// - `load()`: on this CPU (flushes, and serialises: stores before it are seen first). `load_kernel()`: none, only the kernel's own mapping.
/// - `flush_page(address)`, `flush_all()`: this CPU's translations. `physical_to_virtual`,
///   `virtual_to_physical`: the direct map of RAM. `clear_page(p)`, `copy_page(to, from)`.
template <typename P, typename E>
concept PagingContract = requires(P p, const P c, E e, const E ce, u64 a, u32 r, core::TableSource& source,
                                  void* v) {
    e.set(a, r, r, core::Cache::normal, r);
    { ce.mark() } -> std::same_as<u32>;
    e.clear();
    e.set_rights(r);
    e.clear_dirty();
    { ce.mapped() } -> std::same_as<bool>;
    { ce.physical() } -> std::same_as<u64>;
    { ce.rights() } -> std::same_as<u32>;
    { ce.maximum() } -> std::same_as<u32>;
    { ce.dirty() } -> std::same_as<bool>;
    { ce.cache() } -> std::same_as<core::Cache>;
    { p.create(source) } -> std::same_as<Result<>>;
    { c.created() } -> std::same_as<bool>;
    { p.reserve(a, source) } -> std::same_as<Result<E*>>;
    { p.find(a) } -> std::same_as<E*>;
    { p.next(a, a) } -> std::same_as<u64>;
    { p.release_one(source) } -> std::same_as<bool>;
    p.load();
    load_kernel();
    flush_page(a);
    flush_all();
    { physical_to_virtual(a) } -> std::same_as<void*>;
    { virtual_to_physical(v) } -> std::same_as<u64>;
    clear_page(v);
    copy_page(v, v);
};
static_assert(PagingContract<PageTables, Entry>);
static_assert(Entry::kMarks >= 8 && kLeafSpan % abi::kPageSize == 0);

/// arch/fpu.hpp. The area is 64-byte aligned. `fpu_size()` <= 4096 bytes. Disabled: the first use traps to
/// core::fpu_trap. `fpu_sanitise(area)`: makes whatever bytes a user wrote safe to restore.
static_assert(requires(void* area) {
    { fpu_size() } -> std::same_as<usize>;
    fpu_init(area);
    fpu_save(area);
    fpu_restore(area);
    fpu_sanitise(area);
    fpu_enable();
    fpu_disable();
});

/// arch/interrupt.hpp. Lines are global system interrupts below kInterruptLines. `flags` as in
/// interrupt_create. `interrupt_route`: to this CPU, masked; unsupported: no such line. When it arrives the
/// architecture masks the line, acknowledges the controller, and calls core::interrupt_entry(line). Lines from `wired_lines` on
/// are for messages: `interrupt_message` says which raises it on this CPU; masking does nothing there.
/// `load_ports(ranges)`: exactly these I/O ports are open to user code on this CPU from now on.
static_assert(requires(u32 line, u32 cpu, u32 flags, const core::PortRange* ranges, usize count) {
    { interrupt_route(line, flags, cpu) } -> std::same_as<Result<>>;
    { wired_lines() } -> std::same_as<u32>;
    { interrupt_message(line, cpu).address } -> std::same_as<u64&&>;
    { interrupt_message(line, cpu).data } -> std::same_as<u64&&>;
    interrupt_mask(line);
    interrupt_unmask(line);
    interrupt_release(line);
    load_ports(ranges, count);
});
static_assert(kInterruptLines >= 24);

/// arch/machine.hpp. `debug_write`: to the debug console. `exit_machine(status)`: does not return.
/// `reserved_physical(physical, bytes)`: whether any of the range is RAM or otherwise not for drivers (local
/// interrupt controllers, ...).
static_assert(requires(const char* text, usize size, u64 physical, u32 status) {
    debug_write(text, size);
    exit_machine(status);
    { reserved_physical(physical, physical) } -> std::same_as<bool>;
});

}  // namespace pith::arch
