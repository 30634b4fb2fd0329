// SPDX-License-Identifier: MIT
// The model-based test: random sequences of system calls on threads of four CPUs, made by the kernel and by its specification
// (tests/host/spec), compared after each step. A failure prints its seed and its last steps.
//
// PITH_MODEL_SEEDS (how many, default 60), PITH_MODEL_FIRST (first seed, default 1), PITH_MODEL_STEPS (default 400),
// PITH_MODEL_LOG (how many of a failed sequence's last steps are printed, default 25),
// PITH_MODEL_WATCH (the number of a thread whose state is printed with each step).
#include <gtest/gtest.h>

#include <iostream>

#include "tests/host/kernel/generator.hpp"

namespace pith::test {
namespace {

u64 setting(const char* name, u64 otherwise) {
    const char* text = getenv(name);
    return text == nullptr ? otherwise : strtoull(text, nullptr, 0);
}

/// The random walks make each call that the specification has a rule for, and each succeeds in some of them.
void expect_all_calls() {
    constexpr auto kNeverRight = static_cast<u32>(Syscall::machine_exit);
    for (u32 number = 0; number < Twin::calls_made.size(); number++) {
        spec::System system(1000, 1);
        Call call{.number = static_cast<Syscall>(number), .handle = abi::kMaxSlots - 1};
        if (system.call(system.root_thread, call, {}).errors.contains(Error::bad_syscall)) continue;
        EXPECT_GT(Twin::calls_made[number], 0u) << "call " << number << " is not generated";
        if (number != kNeverRight)
            EXPECT_GT(Twin::calls_succeeded[number], 0u) << "call " << number << " is refused";
    }
}

TEST(Model, RandomSequences) {
    const u64 seeds = setting("PITH_MODEL_SEEDS", 60), first = setting("PITH_MODEL_FIRST", 1);
    const u64 steps = setting("PITH_MODEL_STEPS", 400);
    const u64 shown = setting("PITH_MODEL_LOG", 25);
    u64 made = 0, cut = 0;
    for (u64 seed = first; seed < first + seeds; seed++) {
        std::optional<Twin> twin;
        try {
            twin.emplace(3000);
            Generator generator(*twin, seed);
            try {
                for (u64 i = 0; i < steps; i++) generator.step();
            } catch (const CutShort&) { cut++; }
            made += twin->log.size();
            twin->end();
        } catch (const Mismatch& mismatch) {
            std::ostringstream text;
            text << "seed " << seed << ", step " << (twin ? twin->log.size() : 0) << ": " << mismatch.what
                 << "\n";
            if (twin)
                for (usize i = twin->log.size() > shown ? twin->log.size() - shown : 0; i < twin->log.size();
                     i++)
                    text << "  " << i + 1 << ". " << twin->log[i] << "\n";
            FAIL() << text.str();
        }
    }
    std::cout << "seeds " << first << " to " << first + seeds - 1 << ", " << made << " steps, " << cut
              << " cut short\n";
    if (seeds >= 60 && steps >= 400) expect_all_calls();
}

}  // namespace
}  // namespace pith::test
