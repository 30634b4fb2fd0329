// SPDX-License-Identifier: MIT
// The machine in QEMU: the same for Pith and for what it is compared with.
#pragma once

#include <string>
#include <vector>

namespace pith::tools {

inline constexpr const char* kQemu = "qemu-system-x86_64";
inline constexpr const char* kMachine = "q35";
inline constexpr const char* kCpu = "max";
inline constexpr const char* kFirmware = "qboot.rom";

/// How its time goes: by TCG's wall clock, or with `icount` deterministically, one virtual nanosecond an instruction.
inline std::vector<std::string> clock_options(bool icount) {
    if (!icount) return {"-accel", "tcg", "-rtc", "base=utc"};
    return {"-accel",  "tcg,thread=single",
            "-icount", "shift=0,sleep=off",
            "-seed",   "1",
            "-rtc",    "base=2023-11-14T22:13:20,clock=vm"};
}

}  // namespace pith::tools
