// SPDX-License-Identifier: MIT
// A plugin of QEMU that watches which cache lines (64 bytes of physical memory) each CPU's kernel code reads and writes
// within the sections that the program marks (bench/ipc/marker.hpp), and finds those that one CPU wrote and another
// touched. Argument: out=FILE gets at the end
//   section S CPU TRIALS LINES            that CPU's runs of the section that no interrupt came into; what is in the
//                                         others does not count
//   conflict S ADDRESS CPU PC CPU PC      physical address; the first CPU wrote there, at PC, the second wrote or read
//
// The CPUs' accesses need not have been at the same time: what one writes and another touches in the same section is
// shared. What the processor itself does (page tables, descriptor tables) is not seen.
#include <array>
#include <cstdio>
#include <map>
#include <string>

#include "tools/plugin/guest_code.hpp"

namespace pith::plugin {
namespace {

constexpr unsigned kCpus = 8;
constexpr int kSections = static_cast<int>(bench::LineSection::common) + 1;
constexpr unsigned kLineShift = 6;

/// Where a line was touched last: addresses of instructions, 0: nowhere.
struct Touch {
    uint64_t written = 0;
    uint64_t read = 0;
};
using Lines = std::map<uint64_t, Touch>;

/// Of one CPU, used by that alone until the end.
struct alignas(64) Watch {
    int section = 0;  ///< which is being run; 0: none
    bool interrupted = false;
    Lines trial;  ///< of this run
    std::array<Lines, kSections> lines;
    std::array<unsigned, kSections> trials{};
};

// QEMU asks for the report after the destructors of what is global have run: these have none.
[[clang::no_destroy]] std::array<Watch, kCpus> watches;
[[clang::no_destroy]] std::string file;

void begin(unsigned cpu, void* section) {
    Watch& watch = watches[cpu];
    watch.section = static_cast<int>(reinterpret_cast<intptr_t>(section));
    watch.interrupted = false;
    watch.trial.clear();
}

void end(unsigned cpu, void*) {
    Watch& watch = watches[cpu];
    const auto section = static_cast<size_t>(watch.section);
    watch.section = 0;
    if (section == 0 || watch.interrupted) return;
    watch.trials[section]++;
    for (const auto& [line, touch] : watch.trial) {
        Touch& all = watch.lines[section][line];
        if (touch.written != 0) all.written = touch.written;
        if (touch.read != 0) all.read = touch.read;
    }
}

/// An `iret` leaves an interrupt or a fault.
void interrupted(unsigned cpu, void*) { watches[cpu].interrupted = true; }

void touched(unsigned cpu, qemu_plugin_meminfo_t access, uint64_t address, void* instruction) {
    Watch& watch = watches[cpu];
    if (watch.section == 0) return;
    const qemu_plugin_hwaddr* where = qemu_plugin_get_hwaddr(access, address);
    if (where == nullptr || qemu_plugin_hwaddr_is_io(where)) return;
    const uint64_t first = qemu_plugin_hwaddr_phys_addr(where);
    const uint64_t last = first + (uint64_t{1} << qemu_plugin_mem_size_shift(access)) - 1;
    for (uint64_t line = first >> kLineShift; line <= last >> kLineShift; line++) {
        Touch& touch = watch.trial[line];
        (qemu_plugin_mem_is_store(access) ? touch.written
                                          : touch.read) = reinterpret_cast<uintptr_t>(instruction);
    }
}

void translate(qemu_plugin_id_t, qemu_plugin_tb* block) {
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(block, i);
        const uint64_t address = qemu_plugin_insn_vaddr(instruction);
        constexpr auto kPlain = QEMU_PLUGIN_CB_NO_REGS;
        if (kernel_address(address)) {
            qemu_plugin_register_vcpu_mem_cb(instruction, touched, kPlain, QEMU_PLUGIN_MEM_RW,
                                             reinterpret_cast<void*>(address));
            if (begins_with(instruction, kIretq))
                qemu_plugin_register_vcpu_insn_exec_cb(instruction, interrupted, kPlain, nullptr);
            continue;
        }
        const int marker = marker_of(instruction);
        if (marker == bench::kSectionEnd)
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, end, kPlain, nullptr);
        else if (marker > 0 && marker < kSections)
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, begin, kPlain,
                                                   reinterpret_cast<void*>(intptr_t{marker}));
    }
}

void report_conflicts(std::FILE* to, int section, unsigned writer, unsigned other) {
    const Lines& touched_there = watches[other].lines[static_cast<size_t>(section)];
    for (const auto& [line, touch] : watches[writer].lines[static_cast<size_t>(section)]) {
        const auto there = touched_there.find(line);
        if (touch.written == 0 || there == touched_there.end()) continue;
        const Touch& with = there->second;
        std::fprintf(to, "conflict %d %llx %u %llx %u %llx\n", section,
                     static_cast<unsigned long long>(line << kLineShift), writer,
                     static_cast<unsigned long long>(touch.written), other,
                     static_cast<unsigned long long>(with.written != 0 ? with.written : with.read));
    }
}

void report(qemu_plugin_id_t, void*) {
    std::FILE* to = std::fopen(file.c_str(), "w");
    if (to == nullptr) return;
    for (int section = 1; section < kSections; section++) {
        for (unsigned cpu = 0; cpu < kCpus; cpu++) {
            const Watch& watch = watches[cpu];
            const auto index = static_cast<size_t>(section);
            if (watch.trials[index] == 0) continue;
            std::fprintf(to, "section %d %u %u %zu\n", section, cpu, watch.trials[index],
                         watch.lines[index].size());
            for (unsigned other = 0; other < kCpus; other++) {
                if (other != cpu) report_conflicts(to, section, cpu, other);
            }
        }
    }
    std::fclose(to);
}

}  // namespace
}  // namespace pith::plugin

PITH_PLUGIN int qemu_plugin_version = 1;

PITH_PLUGIN int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info, int count,
                                    char** arguments) {
    using namespace pith::plugin;
    const std::string_view argument(count == 1 ? arguments[0] : "");
    if (info->system.smp_vcpus > static_cast<int>(kCpus) || !argument.starts_with("out=")) return 1;
    file = argument.substr(4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, report, nullptr);
    return 0;
}
