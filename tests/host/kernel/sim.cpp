// SPDX-License-Identifier: MIT
// The simulated machine around the kernel: boot, system calls, interrupts, and what can be checked from outside.
#include "tests/host/kernel/sim.hpp"

#include <elf.h>
#include <string.h>

#include <numeric>
#include <sstream>

#include "arch/interrupt.hpp"
#include "arch/paging.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/core/frames.hpp"
#include "kernel/core/space.hpp"

namespace pith::test {

using arch::fake::machine;

namespace {

constexpr u64 kBundlePages = 16;

/// A bundle with a root component: an executable of one page that is never executed.
void build_bundle(char* at) {
    constexpr u64 kContent = abi::kPageSize;
    static constexpr char kName[] = "component/root";
    abi::BundleHeader header{.magic = abi::kBundleMagic,
                             .size = kBundlePages * abi::kPageSize,
                             .entries = 1,
                             .names_size = sizeof kName - 1,
                             .reserved = 0};
    Elf64_Ehdr elf{};
    memcpy(elf.e_ident, ELFMAG, SELFMAG);
    elf.e_ident[EI_CLASS] = ELFCLASS64;
    elf.e_ident[EI_DATA] = ELFDATA2LSB;
    elf.e_ident[EI_VERSION] = EV_CURRENT;
    elf.e_type = ET_EXEC;
    elf.e_machine = EM_X86_64;
    elf.e_version = EV_CURRENT;
    elf.e_entry = 0x400000 + abi::kPageSize;
    elf.e_phoff = sizeof elf;
    elf.e_ehsize = sizeof elf;
    elf.e_phentsize = sizeof(Elf64_Phdr);
    elf.e_phnum = 1;
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_flags = PF_R | PF_X;
    segment.p_vaddr = 0x400000;
    segment.p_filesz = segment.p_memsz = 2 * abi::kPageSize;
    segment.p_align = abi::kPageSize;
    abi::BundleEntry entry{.offset = kContent,
                           .size = 2 * abi::kPageSize,
                           .name_offset = 0,
                           .name_length = sizeof kName - 1,
                           .kind = abi::BundleKind::component,
                           .mode = 0755,
                           .mtime = 0,
                           .reserved = 0};
    memset(at, 0, kBundlePages * abi::kPageSize);
    memcpy(at, &header, sizeof header);
    memcpy(at + sizeof header, &entry, sizeof entry);
    memcpy(at + sizeof header + sizeof entry, kName, sizeof kName - 1);
    memcpy(at + kContent, &elf, sizeof elf);
    memcpy(at + kContent + sizeof elf, &segment, sizeof segment);
}

}  // namespace

bool is_message(Syscall number) { return number >= Syscall::call && number <= Syscall::reply; }

void load(core::Thread& thread, const Call& call) {
    auto& frame = thread.frame;
    frame.restarted = false;
    frame.state.rax = u64{static_cast<u8>(call.number)} | u64{call.handle} << 32;
    for (unsigned i = 0; i < 6; i++) frame.set_arg(i, call.a[i]);
    if (is_message(call.number)) {
        frame.set_tag(call.tag);
        frame.set_arg(1, call.deadline);
        for (unsigned i = 0; i < 8; i++) frame.set_word(i, call.words[i]);
    }
    memcpy(thread.buffer, &call.buffer, sizeof call.buffer);
}

Sim& Sim::instance() {
    static Sim the;
    return the;
}

Sim::Sim() {
    auto& m = machine();
    m.reset(kRam);
    m.current = &core::cpus[0];
    const u64 end = arch::fake::kRamBase + kRam;
    const u64 bundle = end - kBundlePages * abi::kPageSize;
    build_bundle(static_cast<char*>(m.at(bundle)));
    static core::PhysicalRange free{};
    free = {.base = arch::fake::kRamBase, .size = bundle - arch::fake::kRamBase};
    static core::BootParameters boot{};
    boot.free = &free;
    boot.free_count = 1;
    boot.bundle = {.base = bundle, .size = kBundlePages * abi::kPageSize};
    boot.memory_size = kRam;
    boot.cpus = kCpus;
    boot.command_line = "";
    boot.multiplier = u64{1} << 32;
    boot.tsc_frequency = 1'000'000'000;
    m.on_window = [this] {
        if (on_window) on_window();
    };
    core::main_boot_cpu(boot);
    for (u32 cpu = 1; cpu < kCpus; cpu++) on(cpu, [cpu] { core::main_other_cpu(cpu); });
    settle();
    root_ = current(0);
    if (root_ == nullptr) m.fail("root does not run after the boot");
    // Root's table gets all its pages now, so that tests find the counts unchanged.
    auto endpoint = call(*root_, Syscall::endpoint_create, static_cast<HandleIndex>(abi::RootSlot::pool));
    for (u64 slot = 63; slot < abi::kMaxSlots; slot += 64)
        call(*root_, Syscall::cap_copy, static_cast<HandleIndex>(endpoint.r0), {0, slot, 1, 0});
    call(*root_, Syscall::object_destroy, static_cast<HandleIndex>(endpoint.r0));
    give_up_stale_slots();
}

void Sim::on(u32 cpu, const std::function<void()>& entry) {
    auto& m = machine();
    m.current = &core::cpus[cpu];
    m.current_index = cpu;
    entry();
    if (core::cpus[cpu].held_count != 0) m.fail("a lock is held at the return to user mode");
}

void Sim::settle() {
    auto& m = machine();
    for (u64 round = 0;; round++) {
        if (round > settle_limit) m.fail("the kernel does not settle");
        bool busy = false;
        for (u32 cpu = 0; cpu < kCpus; cpu++) {
            auto& hardware = m.cpus[cpu];
            if (hardware.ipi_pending) {
                hardware.ipi_pending = false;
                on(cpu, [] { core::ipi_entry(false); });
                busy = true;
            }
            if (hardware.timer <= m.now) {
                hardware.timer = core::kNever;
                on(cpu, [] { core::timer_entry(false); });
                busy = true;
            }
            auto* running = core::cpus[cpu].area.current;
            if (running != nullptr && running->frame.restarted) {
                running->frame.restarted = false;
                on(cpu, [] { arch::fake::system_call(); });
                busy = true;
            }
        }
        if (!busy) return;
    }
}

void Sim::issue(u32 cpu, const Call& call) {
    core::Thread* thread = current(cpu);
    if (thread == nullptr) machine().fail("a call on an idle CPU");
    load(*thread, call);
    on(cpu, [] { arch::fake::system_call(); });
    settle();
}

Answer Sim::call(core::Thread& thread, const Call& call) {
    if (current(thread.cpu) != &thread) machine().fail("a call of a thread that does not run");
    issue(thread.cpu, call);
    return answer(thread);
}

Answer Sim::call(core::Thread& thread, Syscall number, HandleIndex handle, std::array<u64, 6> a) {
    Call c{.number = number, .handle = handle, .a = a};
    memcpy(&c.buffer, thread.buffer, sizeof c.buffer);
    if (is_message(number)) {
        c.tag = a[0];
        c.deadline = a[1];
    }
    return call(thread, c);
}

bool Sim::ended(const core::Thread& thread) {
    return thread.state == core::State::ready && !thread.frame.restarted && !thread.restarted;
}

Answer Sim::answer(const core::Thread& thread) const {
    Answer answer;
    answer.blocked = !ended(thread);
    const auto& frame = thread.frame;
    answer.error = static_cast<Error>(frame.state.rax);
    answer.r0 = frame.state.rdx;
    answer.r1 = frame.state.r10;
    answer.r2 = frame.state.r8;
    answer.tag = frame.tag();
    answer.badge = frame.deadline();
    for (unsigned i = 0; i < 8; i++) answer.words[i] = frame.word(i);
    return answer;
}

void Sim::fault(u32 cpu, u64 address, u64 access) {
    on(cpu, [&] {
        core::fault_entry(
            {.page_fault = true, .address = address, .access = access, .vector = 14, .error_code = access});
        core::raise_entry();
    });
    settle();
}

void Sim::foreign_syscall(u32 cpu) {
    on(cpu, [] { arch::fake::system_call(); });
    settle();
}

void Sim::rotate(u32 cpu) {
    on(cpu, [cpu] {
        core::cpus[cpu].rotate = true;
        core::timer_entry(false);
    });
    settle();
}

bool Sim::write(u32 cpu, u64 address) {
    bool done = false;
    on(cpu, [&] { done = machine().write(address); });
    return done;
}

arch::fake::Machine::FpuState* Sim::fpu(u32 cpu) {
    auto& hardware = machine().cpus[cpu];
    const core::Thread* thread = current(cpu);
    if (!hardware.fpu_enabled) {
        on(cpu, [] { arch::fake::fpu_trap(); });
        settle();
    }
    return current(cpu) == thread && hardware.fpu_enabled ? &hardware.fpu : nullptr;
}

bool Sim::interrupt(u32 line) {
    auto& wire = machine().lines[line];
    if (!wire.routed || wire.masked) return false;
    arch::interrupt_mask(line);
    on(wire.cpu, [line] { core::interrupt_entry(line, false); });
    settle();
    return true;
}

void Sim::advance(abi::Time nanoseconds) {
    machine().now += nanoseconds;
    settle();
}

core::Object* Sim::object(core::Thread& thread, HandleIndex handle) {
    core::Slot* slot = thread.captable == nullptr ? nullptr : thread.captable->slot(handle);
    if (slot == nullptr) return nullptr;
    auto capability = core::read_slot(*slot);
    return capability.word == 0 ? nullptr : capability.object();
}

void Sim::give_up_stale_slots() {
    for (HandleIndex i = 1; i < abi::kMaxSlots; i++) {
        const core::Slot* slot = root_->captable->slot(i);
        if (slot != nullptr && core::CapTable::stale(*slot)) call(*root_, Syscall::cap_delete, i);
    }
}

abi::KernelCounts Sim::counts() {
    abi::KernelCounts total{};
    i64 kinds[static_cast<usize>(core::FrameKind::count)] = {};
    i64 objects[16] = {};
    i64 capabilities = 0, slots = 0, mappings = 0;
    for (u32 cpu = 0; cpu < kCpus; cpu++) {
        const auto& c = core::cpus[cpu];
        for (usize i = 0; i < std::size(kinds); i++) kinds[i] += c.frame_counts[i];
        for (usize i = 0; i < 16; i++) objects[i] += c.object_counts[i];
        capabilities += c.capability_count;
        slots += c.slot_count;
        mappings += c.mapping_count;
    }
    auto of = [&](core::FrameKind kind) { return static_cast<u64>(kinds[static_cast<usize>(kind)]); };
    for (usize i = 0; i < 16; i++) total.objects[i] = static_cast<u64>(objects[i]);
    total.capabilities = static_cast<u64>(capabilities);
    total.slots = static_cast<u64>(slots);
    total.mappings = static_cast<u64>(mappings);
    total.pages_total = core::frames::total();
    total.pages_tables = of(core::FrameKind::table);
    total.pages_objects = of(core::FrameKind::objects);
    total.pages_memory = of(core::FrameKind::memory);
    total.pages_quarantine = of(core::FrameKind::quarantine);
    total.pages_free = total.pages_total - total.pages_tables - total.pages_objects - total.pages_memory -
                       total.pages_quarantine;
    return total;
}

std::string Sim::differences(const abi::KernelCounts& before, const abi::KernelCounts& after) {
    std::ostringstream out;
    auto compare = [&](const char* what, u64 a, u64 b) {
        if (a != b) out << what << ": " << a << " before, " << b << " after\n";
    };
    static const char* const kTypes[16] = {"none",    "pool",     "memory", "space",  "captable",  "thread",
                                           "budget",  "endpoint", "reply",  "signal", "interrupt", "io_ports",
                                           "machine", "",         "",       ""};
    for (usize i = 0; i < 16; i++) compare(kTypes[i], before.objects[i], after.objects[i]);
    compare("capabilities", before.capabilities, after.capabilities);
    compare("slots", before.slots, after.slots);
    compare("free pages", before.pages_free, after.pages_free);
    compare("table pages", before.pages_tables, after.pages_tables);
    compare("object pages", before.pages_objects, after.pages_objects);
    compare("memory pages", before.pages_memory, after.pages_memory);
    compare("mappings", before.mappings, after.mappings);
    return out.str();
}

std::string Sim::check() const {
    auto& m = machine();
    for (u32 cpu = 0; cpu < kCpus; cpu++) {
        auto& hardware = m.cpus[cpu];
        core::Thread* running = current(cpu);
        core::Space* loaded = core::cpus[cpu].loaded_space.load();
        if (running != nullptr && loaded != running->space) return "a thread runs in another Space";
        for (const auto& [address, translation] : hardware.tlb) {
            arch::Entry* entry = arch::walk(hardware.root, address);
            bool right = entry != nullptr && entry->mapped() && entry->physical() == translation.physical &&
                         (translation.rights & ~entry->rights()) == 0;
            if (!right) return "I2: a CPU still translates what is not mapped so any more";
            if (translation.dirty && !entry->dirty()) return "a CPU would write to a page without a trace";
        }
    }
    return {};
}

std::string Sim::check_frames() {
    u64 found = 0;
    const auto now = counts();
    for (u64 at = 0; at < kRam; at += abi::kPageSize) {
        const auto* record = core::frames::record(arch::fake::kRamBase + at);
        if (record == nullptr) continue;
        switch (record->kind) {
            case core::FrameKind::free:  // a block; the records within it mean nothing
                found += u64{1} << record->order;
                at += ((u64{1} << record->order) - 1) * abi::kPageSize;
                break;
            case core::FrameKind::reserved: break;
            case core::FrameKind::memory:
                if (record->owner == nullptr) return "a user frame of no Memory";
                found++;
                break;
            default: found++; break;
        }
    }
    static const u64 first = found;
    if (found != first)
        return "I3: frames are lost: " + std::to_string(found) + " of " + std::to_string(first);
    if (now.pages_tables + now.pages_objects + now.pages_memory + now.pages_quarantine > found)
        return "frames are counted twice";
    return {};
}

void Sim::fill_tlbs() {
    auto& m = machine();
    for (u32 cpu = 0; cpu < kCpus; cpu++) {
        auto& hardware = m.cpus[cpu];
        if (hardware.root == 0) continue;
        arch::for_each_entry(hardware.root, [&](u64 address, const arch::Entry& entry) {
            if (hardware.tlb.size() < 256)
                hardware.tlb.try_emplace(
                    address, arch::fake::Translation{entry.physical(), entry.rights(), entry.dirty()});
        });
    }
}

}  // namespace pith::test
