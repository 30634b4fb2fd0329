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
    HandleIndex stale_slot(spec::Id thread);
    /// Where a copy is to go: anywhere, a stale slot, or any number.
    HandleIndex named_slot(spec::Id thread) {
        if (chance(80)) return 0;
        return chance(30) ? stale_slot(thread) : static_cast<HandleIndex>(below(700));
    }
    abi::Time deadline(bool controller);
    bool may_die(spec::Id thread, spec::Id object);
    void capability_step(u32 cpu, spec::Id thread);
    void object_step(u32 cpu, spec::Id thread);
    void space_step(u32 cpu, spec::Id thread);
    void thread_step(u32 cpu, spec::Id thread);
    void make_thread(u32 cpu, spec::Id thread);
    void message_step(u32 cpu, spec::Id thread);
    void signal_step(u32 cpu, spec::Id thread);
    void budget_step(u32 cpu, spec::Id thread);
    void info_step(u32 cpu, spec::Id thread);
    void device_step(u32 cpu, spec::Id thread);
    void make_device(u32 cpu, spec::Id thread);
    void user_step(u32 cpu, spec::Id thread);
    /// Now and then more than a field that is narrower than a register has room for.
    u64 widened(u64 value) { return chance(2) ? value | u64{1} << (16 + below(40)) : value; }
    Call message(spec::Id thread, Syscall number, HandleIndex handle);

    Twin& twin_;
    std::mt19937_64 random_;
    u64 devices_ = 0;  ///< device Memories made
};

}  // namespace pith::test
