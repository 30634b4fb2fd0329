// SPDX-License-Identifier: MIT
// A plugin of QEMU that counts the instructions which the whole guest, with one CPU, executes between the marks that a
// program makes (bench/files/marks.h): while it waits and the CPU is idle, no instruction is executed, whereas the virtual clock
// goes on. Argument: out=FILE gets a line "executed COUNT" at each second mark.
//
// Instructions are counted when their block begins, a `rep` by its turns. What follows in a block that a fault leaves is counted
// too: a few instructions for each.
#include <cstdio>
#include <string>

#include "bench/files/marks.h"
#include "tools/plugin/guest_code.hpp"

namespace pith::plugin {
namespace {

static_assert(PITH_MARK_TAG == bench::kMarkerTag);

uint64_t executed = 0;  ///< all blocks that have begun
uint64_t begun = 0;     ///< `executed` at the first mark
std::FILE* out = nullptr;

void block_begins(unsigned, void* size) { executed += reinterpret_cast<uintptr_t>(size); }

/// `behind`: how many instructions of its block follow.
void begin(unsigned, void* behind) { begun = executed - reinterpret_cast<uintptr_t>(behind); }

void end(unsigned, void* behind) {
    const uint64_t count = executed - reinterpret_cast<uintptr_t>(behind) - begun;
    std::fprintf(out, "executed %llu\n", static_cast<unsigned long long>(count - 1));  // less the mark
}

void translate(qemu_plugin_id_t, qemu_plugin_tb* block) {
    const size_t size = qemu_plugin_tb_n_insns(block);
    qemu_plugin_register_vcpu_tb_exec_cb(block, block_begins, QEMU_PLUGIN_CB_NO_REGS,
                                         reinterpret_cast<void*>(uintptr_t{size}));
    for (size_t i = 0; i < size; i++) {
        qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(block, i);
        const int marker = marker_of(instruction);
        if (marker != PITH_MARK_BEGIN && marker != PITH_MARK_END) continue;
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, marker == PITH_MARK_BEGIN ? begin : end,
                                               QEMU_PLUGIN_CB_NO_REGS,
                                               reinterpret_cast<void*>(uintptr_t{size - i - 1}));
    }
}

void report(qemu_plugin_id_t, void*) { std::fclose(out); }

}  // namespace
}  // namespace pith::plugin

PITH_PLUGIN int qemu_plugin_version = 1;

PITH_PLUGIN int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info, int count,
                                    char** arguments) {
    using namespace pith::plugin;
    const std::string_view argument(count == 1 ? arguments[0] : "");
    if (info->system.smp_vcpus != 1 || !argument.starts_with("out=")) return 1;
    out = std::fopen(std::string(argument.substr(4)).c_str(), "w");
    if (out == nullptr) return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, report, nullptr);
    return 0;
}
