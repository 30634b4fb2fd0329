// SPDX-License-Identifier: MIT
// Calls that were preempted and go on.
#include <cstring>

#include "tests/kernel/kernel_test/harness.hpp"

// rdi: of a Replaced. Makes its first call; but where its `syscall` has become a jump, the second one.
asm(R"(
    .pushsection .rodata
    .balign 64
    .global replaced_code, replaced_patch, replaced_end
replaced_code:
    mov %rdi, %rbx
    mov 0(%rbx), %rax
    mov 8(%rbx), %rdi
    mov $1, %esi
    movq $1, 0x20(%rbx)
replaced_patch:
    syscall
    mov %rdx, 0x18(%rbx)
    movq $2, 0x20(%rbx)
1:  pause
    jmp 1b
    .balign 64
replaced_second:
    mov 0x10(%rbx), %rax
    mov $1, %edi
    syscall
    mov %rdx, 0x18(%rbx)
    mov %rax, 0x28(%rbx)
    movq $3, 0x20(%rbx)
1:  pause
    jmp 1b
replaced_end:
    .popsection
)");
extern "C" const pith::u8 replaced_code[], replaced_patch[], replaced_end[];

namespace pith::test {
namespace {
struct Replaced {
    u64 first, bytes, second, got;
    volatile u64 state;
    u64 error, code;
    abi::MapRange range;
};
void begin_replaced(void* argument) {
    auto& replaced = *static_cast<Replaced*>(argument);
    std::memcpy(this_buffer().words, &replaced.range, sizeof(replaced.range));
    reinterpret_cast<void (*)(void*)>(replaced.code)(argument);
}
}  // namespace

/// A thread changes the code of another one that is preempted in the middle of a call, so that it makes another call.
TEST(preempted_call_becomes_another) {
    become_urgent();
    auto nobody = MUST(t.pool.create_signal());
    auto space = MUST(t.pool.create_space());
    auto page = MUST(t.pool.create_memory(0x1000));
    for (u64 attempt = 0; attempt < 12; attempt++) {
        auto code = MUST(t.pool.create_memory(0x1000));
        const u64 write = map_somewhere(code, 0x1000);
        const u64 execute = map_somewhere(code, 0x1000, abi::kMapRead | abi::kMapExecute);
        CHECK(write != 0 && execute != 0);
        std::memcpy(reinterpret_cast<void*>(write), replaced_code,
                    static_cast<usize>(replaced_end - replaced_code));
        static Replaced replaced;
        replaced = {.first = static_cast<u64>(abi::Syscall::memory_create) | u64{t.pool.index()} << 32,
                    .bytes = 1000 * 0x1000,
                    .second = static_cast<u64>(abi::Syscall::space_map) | u64{space.index()} << 32,
                    .got = 0,
                    .state = 0,
                    .error = 99,
                    .code = execute,
                    .range = {.address = 0x100'0000 + attempt * 0x1000,
                              .memory = page.index(),
                              .flags = abi::kMapRead,
                              .offset = 0,
                              .length = 0x1000}};
        auto worker = start_worker(t, begin_replaced, &replaced);
        static_cast<void>(nobody.wait(1, kernel_clock() + 50'000 + attempt * 75'000));
        // jmp to the second call, 64 bytes from the beginning.
        const auto at = static_cast<usize>(replaced_patch - replaced_code);
        auto* patch = reinterpret_cast<volatile u16*>(write + at);
        *patch = static_cast<u16>(0xeb | (62 - at) << 8);
        // It runs only while this thread, which is more urgent, sleeps.
        while (replaced.state < 2) CHECK_ERROR(timed_out, nobody.wait(1, in_milliseconds(1)));
        if (replaced.state == 3 && replaced.got != 0x1000) {
            print("pages that another call had done: ");
            print_number(replaced.got - 0x1000);
            print("\n");
        }
        if (replaced.state == 3) CHECK_EQUAL(replaced.got, 0x1000);
        if (replaced.state == 2)
            MUST_OK(invoke(abi::Syscall::object_destroy, static_cast<abi::HandleIndex>(replaced.got)));
        MUST_OK(worker.thread.destroy());
    }
}

}  // namespace pith::test
