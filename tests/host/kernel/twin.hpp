// SPDX-License-Identifier: MIT
// The kernel and its specification side by side: each step is made by both, and what they answered and what they then are is
// compared. The kernel's side lives in a Pool of root's, which is destroyed at the end.
#pragma once

#include <sstream>

#include "tests/host/kernel/sim.hpp"

namespace pith::test {

/// A difference between the two, or a broken invariant.
struct Mismatch {
    std::string what;
};

/// The sequence cannot be compared any further, though nothing is wrong.
struct CutShort {};

class Twin {
  public:
    /// `pages` in the Pool. Root of the simulation waits until `end`.
    explicit Twin(u64 pages, bool compare = true);

    /// The current thread of a CPU makes a call. Throws Mismatch.
    void call(u32 cpu, const Call& call);
    /// The current foreign thread of a CPU executes `syscall`, or the current thread faults.
    void foreign_syscall(u32 cpu);
    void fault(u32 cpu, u64 address, u64 access);
    void advance(abi::Time nanoseconds);
    /// A device raises an interrupt line.
    void interrupt(u32 line);
    /// The current thread of a CPU writes to an address, or changes one of its FPU registers.
    void write(u32 cpu, u64 address);
    void use_fpu(u32 cpu, u32 index, u64 value);
    /// Destroys all, and checks that nothing is left.
    void end();

    spec::Id running(u32 cpu) const;
    spec::System& model() { return model_; }
    /// Off: steps are made, but what is then true is not compared (it was when the same steps were made before).
    bool comparing = true;
    /// How often each system call was made by all twins so far, and how often it succeeded (or blocked).
    static std::array<u64, 256> calls_made, calls_succeeded;
    /// What each step did, newest last.
    std::vector<std::string> log;

    spec::Id controller(u32 cpu) const { return controllers_[cpu]; }
    bool is_protected(spec::Id object) const { return protected_.contains(object); }
    void protect(spec::Id object) { protected_.insert(object); }
    /// The handle that the last successful creating call gave.
    HandleIndex last_handle = 0;
    Error last_error = Error::ok;

  private:
    void map_objects(core::Thread& thread, spec::Id id, const Call& call, u64 r0);
    void pair_up(spec::Id object, core::Object* real);
    core::Object* real(spec::Id object) const;
    spec::Id model_of(const core::Object* object) const;
    HandleIndex find_slot(spec::Id table, const spec::Capability& capability);
    spec::Id find_thread(const std::vector<spec::Id>& candidates);
    void after(const char* what);
    void compare_completions();
    void compare_completion(spec::Id id, const core::Thread& thread);
    void compare_tables();
    void compare_spaces();
    void compare_threads();
    void compare_objects();
    void compare_counts();
    void compare_scheduling();
    void compare_devices();
    void compare_ports(spec::Id id, const spec::Space& space, core::Space& other);
    void compare_result(const Call& c, core::Thread& thread, const Answer& answer,
                        const spec::Outcome& outcome);
    bool spent(spec::Id budget) const;
    bool maps(spec::Id space, u64 address) const;
    std::vector<std::pair<spec::Id, u64>> overruns() const;
    std::string picture(spec::Id thread) const;
    [[noreturn]] void fail(const std::string& what) const { throw Mismatch{what}; }

    Sim& sim_ = Sim::instance();
    spec::System model_;
    std::map<spec::Id, core::Object*> real_;
    std::map<const core::Object*, spec::Id> ids_;
    std::array<spec::Id, Sim::kCpus> controllers_{};
    std::set<spec::Id> protected_;
    abi::KernelCounts before_{}, base_{};
    HandleIndex arena_ = 0;
    abi::Time end_ = 0;
    // Of the call that is being compared.
    u64 handle_result_ = 0;
    std::set<HandleIndex> taken_;
};

}  // namespace pith::test
