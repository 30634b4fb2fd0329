// SPDX-License-Identifier: MIT
// A plugin of QEMU that counts, on each CPU for itself, the longest stretch of kernel instructions with interrupts off, and
// the longest from an interrupt's stub to user code. Arguments: out=FILE gets "windows CPU OFF WAKE INTERRUPTS" for each CPU at
// the end; vector=N is the interrupt.
//
// User code runs with interrupts on, and so the kernel's entries turn them off; `sti`, `sysret` and `iret` are all
// that turn them on. Instructions are counted when their block begins, a `rep` by its turns. The turns of a loop that
// waits for a lock (with `pause` in it) are not counted: they are the other CPU's time, and as many as QEMU's host makes
// them.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tools/plugin/guest_code.hpp"

namespace pith::plugin {
namespace {

constexpr unsigned kCpus = 8;
constexpr uint64_t kWaitTurn = 8;  // instructions, at most, of a turn of a loop that waits

/// Of one CPU, touched by that alone.
struct alignas(64) Counts {
    bool booted = false;  ///< interrupts were on once
    uint64_t off = 0;     ///< in this window
    uint64_t longest = 0;
    uint64_t paused_at = ~uint64_t{0};  ///< `off` at the last `pause`
    bool waking = false;                ///< since an interrupt's stub
    uint64_t wake = 0;                  ///< instructions since then
    uint64_t longest_wake = 0;
    uint64_t interrupts = 0;
};

std::array<Counts, kCpus> counts;
// QEMU asks for the report after the destructors of what is global have run: this has none.
[[clang::no_destroy]] std::string file;
int vector = -1;

void close_window(Counts& of) {
    if (of.booted) of.longest = std::max(of.longest, of.off);
    of.booted = true;
    of.off = 0;
    of.paused_at = ~uint64_t{0};
}

void kernel_block(unsigned cpu, void* size) {
    Counts& of = counts[cpu];
    of.off += reinterpret_cast<uintptr_t>(size);
    of.wake += reinterpret_cast<uintptr_t>(size);
}

void user_block(unsigned cpu, void*) {
    Counts& of = counts[cpu];
    if (of.waking) of.longest_wake = std::max(of.longest_wake, of.wake);
    of.waking = false;
}

void interrupt_block(unsigned cpu, void*) {
    Counts& of = counts[cpu];
    of.interrupts++;
    if (of.waking) return;
    of.waking = true;
    of.wake = 0;
}

void interrupts_on(unsigned cpu, void*) { close_window(counts[cpu]); }

void pause(unsigned cpu, void*) {
    Counts& of = counts[cpu];
    if (of.off >= of.paused_at && of.off - of.paused_at <= kWaitTurn) {
        of.wake -= std::min(of.wake, of.off - of.paused_at);
        of.off = of.paused_at;
    }
    of.paused_at = of.off;
}

void translate(qemu_plugin_id_t, qemu_plugin_tb* block) {
    const size_t size = qemu_plugin_tb_n_insns(block);
    const qemu_plugin_insn* first = qemu_plugin_tb_get_insn(block, 0);
    if (!kernel_address(qemu_plugin_insn_vaddr(first))) {
        qemu_plugin_register_vcpu_tb_exec_cb(block, user_block, QEMU_PLUGIN_CB_NO_REGS, nullptr);
        return;
    }
    if (vector_of(block) == vector)
        qemu_plugin_register_vcpu_tb_exec_cb(block, interrupt_block, QEMU_PLUGIN_CB_NO_REGS, nullptr);
    qemu_plugin_register_vcpu_tb_exec_cb(block, kernel_block, QEMU_PLUGIN_CB_NO_REGS,
                                         reinterpret_cast<void*>(uintptr_t{size}));
    for (size_t i = 0; i < size; i++) {
        qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(block, i);
        for (const std::string_view on : {kSti, kIretq, kSysretq}) {
            if (begins_with(instruction, on))
                qemu_plugin_register_vcpu_insn_exec_cb(instruction, interrupts_on, QEMU_PLUGIN_CB_NO_REGS,
                                                       nullptr);
        }
        if (begins_with(instruction, kPause))
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, pause, QEMU_PLUGIN_CB_NO_REGS, nullptr);
    }
}

void report(qemu_plugin_id_t, void*) {
    std::FILE* to = std::fopen(file.c_str(), "w");
    if (to == nullptr) return;
    for (unsigned cpu = 0; cpu < kCpus; cpu++) {
        const Counts& of = counts[cpu];
        if (of.longest == 0) continue;
        std::fprintf(to, "windows %u %llu %llu %llu\n", cpu, static_cast<unsigned long long>(of.longest),
                     static_cast<unsigned long long>(of.longest_wake),
                     static_cast<unsigned long long>(of.interrupts));
    }
    std::fclose(to);
}

}  // namespace
}  // namespace pith::plugin

PITH_PLUGIN int qemu_plugin_version = 1;

PITH_PLUGIN int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info, int count,
                                    char** arguments) {
    using namespace pith::plugin;
    if (info->system.smp_vcpus > static_cast<int>(kCpus)) return 1;
    for (int i = 0; i < count; i++) {
        const std::string_view argument(arguments[i]);
        if (argument.starts_with("out=")) file = argument.substr(4);
        else if (argument.starts_with("vector=")) vector = std::atoi(arguments[i] + 7);
        else return 1;
    }
    if (file.empty()) return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, report, nullptr);
    return 0;
}
