// SPDX-License-Identifier: MIT
// Random steps for the model-based test: mostly sensible calls with handles that are there, sometimes wrong ones.
#pragma once

#include <random>

#include "tests/host/kernel/twin.hpp"

namespace pith::test {

class Generator {
  public:
    Generator(Twin& twin, u64 seed) : twin_(twin), random_(seed) {}

    /// One step: some CPU's current thread does something, or time passes.
    void step();

  private:
    u64 below(u64 n) { return random_() % n; }
    bool chance(u64 percent) { return below(100) < percent; }
    spec::System& model() { return twin_.model(); }

    /// A handle of the thread to an object of that type (none: any), 0 if it has none; now and then any number.
    HandleIndex handle(spec::Id thread, abi::ObjectType type);
    abi::Time deadline(bool controller);
    bool may_die(spec::Id thread, spec::Id object);
    void capability_step(u32 cpu, spec::Id thread);
    void object_step(u32 cpu, spec::Id thread);
    void space_step(u32 cpu, spec::Id thread);
    void thread_step(u32 cpu, spec::Id thread);
    void make_thread(u32 cpu, spec::Id thread);
    void message_step(u32 cpu, spec::Id thread);
    void signal_step(u32 cpu, spec::Id thread);
    Call message(spec::Id thread, Syscall number, HandleIndex handle);

    Twin& twin_;
    std::mt19937_64 random_;
};

}  // namespace pith::test
