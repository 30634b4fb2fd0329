// SPDX-License-Identifier: MIT
// Switching stacks: the registers that a function keeps for its caller (System V ABI for AMD64, 3.2.1) go onto the old one, and come
// from the new one. Components use neither SSE nor x87.
#include "lib/os/fiber.hpp"

namespace pith {

namespace {

constexpr usize kSavedRegisters = 6;

/// Saves the stack pointer in `save`, and goes on where `load` was saved.
[[gnu::naked]] void switch_stack(u64& save, u64 load) {
    asm volatile(
        "pushq %rbp\n"
        "pushq %rbx\n"
        "pushq %r12\n"
        "pushq %r13\n"
        "pushq %r14\n"
        "pushq %r15\n"
        "movq %rsp, (%rdi)\n"
        "movq %rsi, %rsp\n"
        "popq %r15\n"
        "popq %r14\n"
        "popq %r13\n"
        "popq %r12\n"
        "popq %rbx\n"
        "popq %rbp\n"
        "retq\n");
}

}  // namespace

struct FiberEntry {
    [[noreturn]] static void enter(Fiber& fiber) {
        Fiber::begin(fiber);
        panic("a fiber ended");
    }
    /// Where a new fiber "returns" to: its Fiber is in rbx, its function in r12.
    [[gnu::naked]] static void first() {
        asm volatile(
            "movq %rbx, %rdi\n"
            "xorl %ebp, %ebp\n"
            "callq *%r12\n"
            "ud2\n");
    }
};

Result<> Fiber::start(const Handle<Pool>& pool, u64 stack_size, Function function, void* argument) {
    function_ = function;
    argument_ = argument;
    MappedMemory stack = PITH_TRY(MappedMemory::create(pool, stack_size));
    // From the lowest on: r15, r14, r13, r12, rbx, rbp, the address to return to.
    u64* const top = stack.as<u64>(stack.size()) - 2;
    top[-1] = reinterpret_cast<u64>(&FiberEntry::first);
    top[-3] = reinterpret_cast<u64>(this);
    top[-4] = reinterpret_cast<u64>(&FiberEntry::enter);
    own_ = reinterpret_cast<u64>(top - 1 - kSavedRegisters);
    Task<void> follower = follow();
    if (!follower.valid()) return Error::no_memory;
    stack_ = std::move(stack);
    static_cast<void>(std::move(follower).detach());
    return {};
}

void Fiber::begin(Fiber& fiber) { fiber.function_(fiber.argument_); }

void Fiber::suspend() { switch_stack(own_, other_); }

void Fiber::run() { switch_stack(other_, own_); }

Task<void> Fiber::follow() {
    for (;;) {
        co_await event_.wait();
        event_.reset();
        run();
    }
}

}  // namespace pith
