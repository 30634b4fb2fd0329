// SPDX-License-Identifier: MIT
// Registers of an NVMe controller (NVM Express 1.4, 3.1), in BAR 0. Those of 64 bits are accessed as two of 32.
#pragma once

#include "lib/driver/registers.hpp"

namespace pith::nvme {

struct CapabilitiesLow : Register<u32, 0x00> {
    using MaxEntries = Field<0, 16>;  ///< of a queue, less one
    using Timeout = Field<24, 8>;     ///< for becoming ready or not, in units of 500 ms
};
struct CapabilitiesHigh : Register<u32, 0x04> {
    using DoorbellStride = Field<0, 4>;  ///< doorbells are 4 << this apart
    using NvmCommands = Field<5>;
    using MinPageSize = Field<16, 4>;  ///< 4096 << this
};
struct Configuration : Register<u32, 0x14> {
    using Enable = Field<0>;
    using PageSize = Field<7, 4>;
    using SubmissionEntry = Field<16, 4>;  ///< log2 of the size
    using CompletionEntry = Field<20, 4>;
};
struct Status : Register<u32, 0x1c> {
    using Ready = Field<0>;
    using Fatal = Field<1>;
    static constexpr u32 kGone = ~u32{0};  ///< what is read where no device is
};
struct AdminEntries : Register<u32, 0x24> {
    using Submissions = Field<0, 12>;  ///< less one
    using Completions = Field<16, 12>;
};
struct AdminSubmissionsLow : Register<u32, 0x28> {};
struct AdminSubmissionsHigh : Register<u32, 0x2c> {};
struct AdminCompletionsLow : Register<u32, 0x30> {};
struct AdminCompletionsHigh : Register<u32, 0x34> {};

/// Of queue pair n: the submissions' is number 2 n, the completions' 2 n + 1.
struct Doorbell : Register<u32, 0> {};
inline constexpr u64 kDoorbells = 0x1000;

}  // namespace pith::nvme
