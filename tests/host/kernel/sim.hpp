// SPDX-License-Identifier: MIT
// The kernel on simulated CPUs: boots it once, makes system calls as its threads, lets interrupts arrive.
//
// A thread "runs" when it is the current one of its CPU; then the test may make a call as it. After each call `settle` delivers
// what has become due (interrupts between CPUs, timers, preempted calls that go on) until nothing is left to do; so
// what a test sees is what is true when all CPUs are back in user mode.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "abi/boot.hpp"
#include "fake/machine.hpp"
#include "kernel/core/captable.hpp"
#include "kernel/core/cpu.hpp"
#include "kernel/core/thread.hpp"
#include "tests/host/spec/system.hpp"

namespace pith::test {

using abi::HandleIndex;
using abi::Syscall;
using spec::Call;

/// A call's result as its thread finds it.
struct Answer {
    Error error = Error::ok;
    u64 r0 = 0, r1 = 0, r2 = 0;
    u64 tag = 0, badge = 0;
    std::array<u64, 8> words{};
    bool blocked = false;  ///< it has not ended
};

class Sim {
  public:
    static constexpr u32 kCpus = 4;
    static constexpr u64 kRam = u64{64} << 20;

    /// The one that is booted, with root running on CPU 0.
    static Sim& instance();

    core::Thread* current(u32 cpu) const { return core::cpus[cpu].area.current; }
    core::Thread& root() { return *root_; }

    /// Makes a call as the current thread of a CPU, and settles.
    void issue(u32 cpu, const Call& call);
    /// The same as this thread, which has to be its CPU's current one; its answer.
    Answer call(core::Thread& thread, const Call& call);
    Answer call(core::Thread& thread, Syscall number, HandleIndex handle = 0, std::array<u64, 6> a = {});
    /// What a thread's last call answered, if it has ended.
    Answer answer(const core::Thread& thread) const;
    static bool ended(const core::Thread& thread);

    /// A fault, or a `syscall` of a foreign thread, of the current thread of a CPU.
    void fault(u32 cpu, u64 address, u64 access);
    void foreign_syscall(u32 cpu);
    /// The current thread of a CPU writes to an address; false: it would fault.
    bool write(u32 cpu, u64 address);
    /// The current thread of a CPU uses the FPU: its registers, null if the kernel could not give it any.
    arch::fake::Machine::FpuState* fpu(u32 cpu);
    /// A device raises a line; false: it is masked or not routed, and nothing happens.
    bool interrupt(u32 line);

    /// The slice of the current thread of a CPU ends.
    void rotate(u32 cpu);
    void settle();
    void advance(abi::Time nanoseconds);
    /// Enters the kernel on a CPU.
    void on(u32 cpu, const std::function<void()>& entry);

    /// The object behind a handle of a thread; null: none.
    static core::Object* object(core::Thread& thread, HandleIndex handle);
    /// Exact counts over all CPUs.
    static abi::KernelCounts counts();
    /// Gives up the slots of root's table whose capabilities were taken away.
    void give_up_stale_slots();
    static std::string differences(const abi::KernelCounts& before, const abi::KernelCounts& after);
    /// What is wrong: locks that are held, TLB entries that no page table has any more, frames that are lost.
    std::string check() const;
    /// Whether each frame of RAM is somebody's, or free: by walking the frame table.
    static std::string check_frames();
    /// Each CPU's TLB holds all that its Space maps (up to a limit): the worst case for who unmaps.
    void fill_tlbs();

    /// Called at each preemption point (an interrupt may come in there).
    std::function<void()> on_window;
    u64 settle_limit = 200'000;

  private:
    Sim();
    core::Thread* root_ = nullptr;
};

/// Puts a call into a thread's registers and message buffer.
void load(core::Thread& thread, const Call& call);
bool is_message(Syscall number);

}  // namespace pith::test
