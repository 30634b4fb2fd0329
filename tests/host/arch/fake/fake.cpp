// SPDX-License-Identifier: MIT
// The simulated hardware: page tables of four levels, RAM, and the end of a failed run.
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/syscall.hpp"
#include "arch/paging.hpp"
#include "kernel/core/cpu.hpp"
#include "kernel/core/entry.hpp"

/// Of the compiler's runtime, in builds that count lines.
extern "C" [[gnu::weak]] int __llvm_profile_write_file();

namespace pith::arch {

namespace fake {

Machine& machine() {
    static Machine the;
    return the;
}

void Machine::fail(const char* text) const {
    fprintf(stderr, "fake machine: %s\n%s", text, console.c_str());
    abort();
}

/// By the entry that is for it.
static core::Thread* enter(const core::Thread& thread) {
    if (thread.kind == abi::ThreadKind::foreign) return core::foreign_syscall_entry();
    switch (static_cast<abi::Syscall>(thread.frame.number())) {
        case abi::Syscall::call:
        case abi::Syscall::reply_recv: return core::native_syscall_entry();
        case abi::Syscall::signal_notify: return core::notify_entry();
        default: return core::slow_syscall_entry();
    }
}

void system_call() {
    const core::Thread* from = enter(*core::this_cpu().area.current);
    core::Thread* to = core::this_cpu().area.current;
    if (to == nullptr || from == to) return;
    from->frame.copy_words_to(to->frame);
    to->frame.set_tag(from->frame.tag());
}

void fpu_trap() {
    constexpr u64 kVectorNoFpu = 7;
    if (core::fpu_trap()) return;
    core::fault_entry({false, 0, 0, kVectorNoFpu, 0});
    core::raise_entry();
}

void Machine::exit(u32 status) const {
    fprintf(stderr, "fake machine: exit %u\n%s", status, console.c_str());
    if (!may_exit) abort();
    if (__llvm_profile_write_file != nullptr) __llvm_profile_write_file();
    _exit(static_cast<int>(status));
}

void Machine::reset(u64 bytes) {
    if (ram != nullptr) munmap(ram, ram_size);
    *this = Machine();
    ram_size = bytes;
    ram = static_cast<char*>(
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (ram == MAP_FAILED) fail("no memory for the machine");
    memset(ram, 0xa5, bytes);  // what the kernel does not clear is not zero
}

}  // namespace fake

namespace {

constexpr int kLevels = 4;

u64* table(u64 entry) { return static_cast<u64*>(physical_to_virtual(entry & ~u64{0xfff})); }

usize index(u64 address, int level) { return (address >> (12 + 9 * level)) & 511; }

/// Lowest address >= `address` with a leaf table below this one.
bool first_leaf(u64 entry, int level, u64 base, u64 address, u64& found) {
    if (level == 0) {
        found = address > base ? address : base;
        return true;
    }
    u64 span = u64{1} << (12 + 9 * level);
    for (usize i = 0; i < 512; i++) {
        u64 start = base + i * span;
        if (start + span <= address || table(entry)[i] == 0) continue;
        if (first_leaf(table(entry)[i], level - 1, start, address, found)) return true;
    }
    return false;
}

/// Releases some table that has no table below it; true: it was this one.
bool release_below(u64 entry, int level, core::TableSource& source, bool& released) {
    if (level > 0)
        for (usize i = 0; i < 512; i++) {
            u64& child = table(entry)[i];
            if (child == 0) continue;
            if (release_below(child, level - 1, source, released)) child = 0;
            return false;
        }
    source.release(entry & ~u64{0xfff});
    released = true;
    return true;
}

void visit_below(u64 entry, int level, u64 base, const std::function<void(u64, const Entry&)>& visit) {
    u64 span = u64{1} << (12 + 9 * level);
    for (usize i = 0; i < 512; i++) {
        u64 child = table(entry)[i];
        if (child == 0) continue;
        if (level > 0) visit_below(child, level - 1, base + i * span, visit);
        else if (const auto& leaf = reinterpret_cast<Entry&>(table(entry)[i]); leaf.mapped())
            visit(base + i * span, leaf);
    }
}

}  // namespace

void for_each_entry(u64 root, const std::function<void(u64, const Entry&)>& visit) {
    if (root != 0) visit_below(root, kLevels - 1, 0, visit);
}

Entry* walk(u64 root, u64 address) {
    u64 entry = root;
    if (root == 0) return nullptr;
    for (int level = kLevels - 1; level > 0; level--) {
        entry = table(entry)[index(address, level)];
        if (entry == 0) return nullptr;
    }
    return reinterpret_cast<Entry*>(&table(entry)[index(address, 0)]);
}

Result<> PageTables::create(core::TableSource& source) {
    root_ = PITH_TRY(source.allocate());
    return {};
}

Result<Entry*> PageTables::reserve(u64 address, core::TableSource& source) {
    u64 entry = root_;
    for (int level = kLevels - 1; level > 0; level--) {
        u64& slot = table(entry)[index(address, level)];
        if (slot == 0) slot = PITH_TRY(source.allocate()) | 1;
        entry = slot;
    }
    return reinterpret_cast<Entry*>(&table(entry)[index(address, 0)]);
}

Entry* PageTables::find(u64 address) { return root_ == 0 ? nullptr : walk(root_, address); }

u64 PageTables::next(u64 address, u64 end) {
    u64 found = end;
    if (root_ == 0 || !first_leaf(root_, kLevels - 1, 0, address, found)) return end;
    return found < end ? found : end;
}

bool PageTables::release_one(core::TableSource& source) {
    if (root_ == 0) return false;
    bool released = false;
    if (release_below(root_, kLevels - 1, source, released)) root_ = 0;
    return root_ != 0;
}

namespace fake {

bool Machine::translate(u64 address, Translation& found) {
    u64 page = address & ~(abi::kPageSize - 1);
    auto& cpu = here();
    if (auto cached = cpu.tlb.find(page); cached != cpu.tlb.end()) {
        found = cached->second;
        return true;
    }
    if (cpu.root == 0) return false;
    Entry* entry = walk(cpu.root, page);
    if (entry == nullptr || !entry->mapped()) return false;
    found = {.physical = entry->physical(), .rights = entry->rights(), .dirty = entry->dirty()};
    cpu.tlb[page] = found;
    return true;
}

bool Machine::write(u64 address) {
    Translation found{};
    if (!translate(address, found) || !(found.rights & abi::kMapWrite)) return false;
    if (found.dirty) return true;
    walk(here().root, address)->write_access();
    here().tlb[address & ~(abi::kPageSize - 1)].dirty = true;
    return true;
}

}  // namespace fake

}  // namespace pith::arch
