// SPDX-License-Identifier: MIT
// What plugins see in the code that QEMU translates: x86-64, our kernel in the upper half of addresses.
#pragma once

#include <cstring>
#include <string_view>

#include "bench/ipc/marker.hpp"
#include "tools/plugin/plugin_api.hpp"

namespace pith::plugin {

inline bool kernel_address(uint64_t address) { return address >> 63 != 0; }

/// Whether the instruction's bytes are these, or begin with them.
inline bool begins_with(const qemu_plugin_insn* instruction, std::string_view bytes) {
    return qemu_plugin_insn_size(instruction) >= bytes.size() &&
           std::memcmp(qemu_plugin_insn_data(instruction), bytes.data(), bytes.size()) == 0;
}

using namespace std::string_view_literals;
inline constexpr std::string_view kSti = "\xfb"sv, kPause = "\xf3\x90"sv, kIretq = "\x48\xcf"sv,
                                  kSysretq = "\x48\x0f\x07"sv;

/// The number of a marker (bench/ipc/marker.hpp); -1: the instruction is none.
inline int marker_of(const qemu_plugin_insn* instruction) {
    if (!begins_with(instruction, "\x0f\x1f\x80"sv) || qemu_plugin_insn_size(instruction) != 7) return -1;
    uint32_t operand;
    std::memcpy(&operand, static_cast<const char*>(qemu_plugin_insn_data(instruction)) + 3, sizeof(operand));
    return operand >> 8 == bench::kMarkerTag ? static_cast<int>(operand & 0xff) : -1;
}

/// The vector of the kernel's stub for an interrupt, by the stub's two instructions (kernel/arch/x86_64/entry.S): push of the
/// vector, short jump; -1: the instructions from the first on are none.
inline int vector_of(const qemu_plugin_tb* block) {
    if (qemu_plugin_tb_n_insns(block) != 2) return -1;
    const qemu_plugin_insn* first = qemu_plugin_tb_get_insn(block, 0);
    const qemu_plugin_insn* second = qemu_plugin_tb_get_insn(block, 1);
    if (!begins_with(first, "\x6a"sv) || !begins_with(second, "\xeb"sv)) return -1;
    return static_cast<const unsigned char*>(qemu_plugin_insn_data(first))[1];
}

}  // namespace pith::plugin
