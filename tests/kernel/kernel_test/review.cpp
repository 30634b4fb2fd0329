// SPDX-License-Identifier: MIT
// Findings of the review.
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

u64 gs_base() {
    u64 base;
    asm volatile("rdgsbase %0" : "=r"(base));
    return base;
}

struct Server {
    abi::HandleIndex endpoint;
};

/// Answers with the gs base that it finds.
void tell_gs_base(void* argument) {
    auto& server = *static_cast<Server*>(argument);
    Message message;
    Error error = ipc_recv(server.endpoint, message);
    while (error == Error::ok) {
        message.words[0] = gs_base();
        message.tag = abi::Tag(0, 0, 0, Error::ok);
        error = ipc_reply_recv(server.endpoint, message);
    }
}

}  // namespace

TEST(review_gs_base_of_another_thread) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Server server{endpoint.index()};
    auto worker = start_worker(t, tell_gs_base, &server);
    CHECK(wait_for_state(worker.thread, abi::ThreadState::receiving));
    asm volatile("wrgsbase %0" ::"r"(u64{0x1234'5678}));
    Message message;
    MUST_OK(ipc_call(endpoint.index(), message));
    asm volatile("wrgsbase %0" ::"r"(u64{0}));
    CHECK_EQUAL(message.words[0], 0);
}

/// What thread_info tells about a thread that waits for an answer: the registers of its call.
TEST(review_registers_of_a_caller) {
    struct Caller {
        abi::HandleIndex endpoint;
    };
    auto endpoint = MUST(t.pool.create_endpoint());
    static abi::HandleIndex where, hold;
    where = endpoint.index();
    auto signal = MUST(t.pool.create_signal());
    hold = signal.index();
    auto server = start_worker(t, [](void*) {
        Message message;
        if (ipc_recv(where, message) == Error::ok) invoke(abi::Syscall::signal_wait, hold, 1, 0);
    }, nullptr);
    CHECK(wait_for_state(server.thread, abi::ThreadState::receiving));
    auto client = start_worker(t, [](void*) {
        Message message;
        message.words[7] = 0x7777'7777;
        static_cast<void>(ipc_call(where, message));
    }, nullptr);
    CHECK(wait_for_state(server.thread, abi::ThreadState::waiting));
    auto info = MUST(client.thread.thread_info());
    CHECK_EQUAL(info.state, abi::ThreadState::calling);
    CHECK_EQUAL(info.registers[15], 0x7777'7777);
}

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
TEST(review_preempted_call_becomes_another) {
    become_urgent();
    auto nobody = MUST(t.pool.create_signal());
    auto space = MUST(t.pool.create_space());
    auto page = MUST(t.pool.create_memory(0x1000));
    for (u64 attempt = 0; attempt < 40; attempt++) {
        auto code = MUST(t.pool.create_memory(0x1000));
        const u64 write = map_somewhere(code, 0x1000);
        const u64 execute = map_somewhere(code, 0x1000, abi::kMapRead | abi::kMapExecute);
        CHECK(write != 0 && execute != 0);
        std::memcpy(reinterpret_cast<void*>(write), replaced_code, static_cast<usize>(replaced_end - replaced_code));
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
        static_cast<void>(nobody.wait(1, kernel_clock() + 50'000 + attempt * 25'000));
        // jmp to the second call, 64 bytes from the beginning.
        const auto at = static_cast<usize>(replaced_patch - replaced_code);
        auto* patch = reinterpret_cast<volatile u16*>(write + at);
        *patch = static_cast<u16>(0xeb | (62 - at) << 8);
        static_cast<void>(nobody.wait(1, in_milliseconds(30)));
        if (replaced.state == 3 && replaced.got != 0x1000) {
            print("pages that another call had done: ");
            print_number(replaced.got - 0x1000);
            print("\n");
        }
        if (replaced.state == 3) CHECK_EQUAL(replaced.got, 0x1000);
        if (replaced.state == 2) MUST_OK(invoke(abi::Syscall::object_destroy, static_cast<abi::HandleIndex>(replaced.got)));
        MUST_OK(worker.thread.destroy());
    }
}

}  // namespace pith::test
