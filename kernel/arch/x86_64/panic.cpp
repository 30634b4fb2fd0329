// SPDX-License-Identifier: MIT
// Reports of the processor's state (see panic.hpp and arch/machine.hpp). Takes no locks and trusts no memory: a
// backtrace reads only what lies in the kernel's stacks. Output goes straight to the debug console.
#include "kernel/arch/x86_64/panic.hpp"

#include <algorithm>
#include <span>

#include "arch/cpu.hpp"
#include "arch/machine.hpp"
#include "kernel/arch/x86_64/boot.hpp"
#include "kernel/arch/x86_64/layout.hpp"
#include "kernel/core/entry.hpp"
#include "kernel/platform/apic/local_apic.hpp"
#include "kernel/platform/debug_console.hpp"

extern "C" {
extern const char image_start[], text_end[], rodata_end[], image_end[];
/// Count, then pairs of (offset from the kernel's base, offset of the name), sorted; then the names. Made from the
/// first link by tools/kernel_symbols; absent in that link.
[[gnu::weak]] extern const pith::u32 kernel_symbols[];
}

namespace pith::arch {
namespace {

constexpr u32 kMostCallers = 32;
constexpr u64 kWindowsSize = u64{8} << 20;

constinit const KernelRegisters* fault_registers = nullptr;

void print(const char* text) { platform::debug_write(text); }

void print_hex(u64 value, u32 digits = 16) {
    char text[16];
    for (u32 i = 0; i < digits; i++) text[i] = "0123456789abcdef"[value >> 4 * (digits - 1 - i) & 15];
    platform::debug_write({text, digits});
}

void print_decimal(u64 value) {
    char text[20];
    usize at = sizeof(text);
    do text[--at] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    platform::debug_write({text + at, sizeof(text) - at});
}

void print_register(const char* name, u64 value, bool last) {
    print(name);
    print(" ");
    print_hex(value);
    print(last ? "\n" : "  ");
}

void print_registers(const KernelRegisters& r) {
    print("vector ");
    print_decimal(r.vector);
    print(", error code ");
    print_hex(r.error_code, 8);
    print(", cs ");
    print_hex(r.cs, 4);
    print("\n");
    constexpr const char* kNames[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8 ",
                                      "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
    static_assert(__builtin_offsetof(KernelRegisters, vector) == sizeof(u64) * std::size(kNames));
    u64 values[std::size(kNames)];
    __builtin_memcpy(values, &r, sizeof(values));
    for (u32 i = 0; i < std::size(kNames); i++) print_register(kNames[i], values[i], i % 3 == 2);
    print_register("rip", r.rip, false), print_register("rsp", r.rsp, false),
        print_register("flg", r.rflags, true);
}

void print_place(u64 address, const char* mark = "  ") {
    print(mark);
    print_hex(address);
    if (Symbol symbol = find_symbol(address); !symbol.name.empty()) {
        print("  ");
        platform::debug_write(symbol.name);
        print(" + ");
        print_decimal(symbol.offset);
    }
    print("\n");
}

/// Whether an address of the kernel's code is behind a call (opcode e8, or ff /2): what a call pushes.
bool behind_call(u64 address) {
    if (address < reinterpret_cast<u64>(image_start) + 8 || address >= reinterpret_cast<u64>(text_end))
        return false;
    const auto* code = reinterpret_cast<const u8*>(address);
    return code[-5] == 0xe8 || (code[-2] == 0xff && (code[-1] & 0x38) == 0x10);
}

/// The part in use of the stack that `rsp` is in, or has run over the end of; empty: of none.
std::span<const u64> used_stack(u64 rsp) {
    const u64 top = this_area().stack_top, image_top = reinterpret_cast<u64>(image_end);
    u64 begin = rsp & ~u64{7}, end = 0;
    if (rsp < top && rsp >= top - kStackSize - abi::kPageSize) {
        begin = std::max(begin, top - kStackSize);
        end = top;
    } else if (rsp >= kWindows && rsp < kWindows + kWindowsSize) {
        end = (rsp | (kFaultStackSize - 1)) + 1;
    } else if (rsp >= reinterpret_cast<u64>(rodata_end) && rsp < image_top) {
        end = image_top;  // of the boot
    }
    return {reinterpret_cast<const u64*>(begin), end < begin ? 0 : (end - begin) / sizeof(u64)};
}

/// Where the function begins that an address is in.
u64 function_of(u64 address) { return address - find_symbol(address).offset; }

/// Whether what is behind a call was called from there: its call names the function, or none.
bool called_from(u64 place, u64 function) {
    const auto* code = reinterpret_cast<const u8*>(place);
    if (code[-5] != 0xe8) return true;
    i32 distance;
    __builtin_memcpy(&distance, code - sizeof(distance), sizeof(distance));
    return place + static_cast<u64>(i64{distance}) == function;
}

/// Whatever in the stack is behind a call, since the kernel keeps no frame pointers. There may be calls among them that have
/// returned, in what a function has of the stack and hasn't written to: a call of another function than that which is
/// known to be called is marked "?". (So is one of a function that has jumped to that.)
void print_backtrace(u64 function, u64 rsp) {
    u32 printed = 0;
    for (const u64 word : used_stack(rsp)) {
        if (!behind_call(word)) continue;
        const bool certain = called_from(word, function);
        print_place(word - 1, certain ? "  " : "? ");
        if (certain) function = function_of(word - 1);
        if (++printed == kMostCallers) return;
    }
}

}  // namespace

Symbol find_symbol(u64 address) {
    if (kernel_symbols == nullptr || address < reinterpret_cast<u64>(image_start) ||
        address >= reinterpret_cast<u64>(text_end))
        return {};
    u32 count = kernel_symbols[0];
    const u32* table = kernel_symbols + 1;
    auto offset = static_cast<u32>(address - kKernelBase);
    u32 low = 0, high = count;
    while (low < high) {
        u32 middle = (low + high) / 2;
        if (table[2 * middle] <= offset) low = middle + 1;
        else high = middle;
    }
    if (low == 0) return {};
    const auto* names = reinterpret_cast<const char*>(table + 2 * count);
    return {names + table[2 * (low - 1) + 1], offset - table[2 * (low - 1)]};
}

void stop_other_cpus() {
    set_stopping();
    if (cpu_areas[1] != nullptr) platform::LocalApic::send_nmi_to_others();
}

void print_cpu_state() {
    print("on CPU ");
    print_decimal(this_area().id);
    print(", cr2 ");
    print_hex(read_cr2());
    print(", cr3 ");
    print_hex(read_cr3());
    print("\n");
    if (fault_registers != nullptr) {
        print_registers(*fault_registers);
        print_place(fault_registers->rip);
        print_backtrace(function_of(fault_registers->rip), fault_registers->rsp);
    } else {
        print_backtrace(reinterpret_cast<u64>(&print_cpu_state),
                        reinterpret_cast<u64>(__builtin_frame_address(0)));
    }
    if (const Frame* user = current_frame(this_area())) {
        print("user: ");
        print_register("rip", user->rip, false), print_register("rsp", user->rsp, false);
        print_register("rax", user->rax, true);
    }
}

void panic_at(const char* text, const KernelRegisters& registers) {
    fault_registers = &registers;
    core::panic(text);
}

}  // namespace pith::arch
