// SPDX-License-Identifier: MIT
// Threads: creation, states, priorities, faults and their handlers, extended registers.
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

constexpr u64 kPage = abi::kPageSize;

abi::ThreadCreate plain_thread(const Handle<Memory>& buffer) {
    return {.space = own_space().index(),
            .captable = own_captable().index(),
            .handler = abi::kNoHandle,
            .buffer = buffer.index(),
            .buffer_offset = 0,
            .badge = 0,
            .budget = own_budget().index(),
            .priority = 50,
            .kind = abi::ThreadKind::native,
            .cpu = 0,
            .buffer_address = 0};
}

void count_up(void* argument) {
    auto& counter = *static_cast<volatile u64*>(argument);
    for (;;) {
        counter = counter + 1;
        yield_cpu();
    }
}

}  // namespace

TEST(thread_create_errors) {
    auto buffer = MUST(t.pool.create_memory(kPage));
    auto with = [&](auto change) {
        abi::ThreadCreate arguments = plain_thread(buffer);
        change(arguments);
        return t.pool.create_thread(arguments).error();
    };
    using Create = abi::ThreadCreate;
    CHECK_ERROR(ok, with([](Create&) {}));
    CHECK_ERROR(bad_handle, with([](Create& a) { a.space = 9999; }));
    CHECK_ERROR(wrong_type, with([](Create& a) { a.space = own_captable().index(); }));
    CHECK_ERROR(wrong_type, with([](Create& a) { a.captable = own_space().index(); }));
    CHECK_ERROR(wrong_type, with([](Create& a) { a.buffer = own_space().index(); }));
    CHECK_ERROR(wrong_type, with([](Create& a) { a.budget = own_space().index(); }));
    CHECK_ERROR(wrong_type, with([](Create& a) { a.handler = own_space().index(); }));
    CHECK_ERROR(invalid, with([](Create& a) { a.buffer_offset = 100; }));
    CHECK_ERROR(invalid, with([](Create& a) { a.buffer_offset = 4096; }));
    CHECK_ERROR(invalid, with([](Create& a) { a.buffer_offset = ~u64{0} & ~u64{1023}; }));
    CHECK_ERROR(invalid, with([](Create& a) { a.cpu = static_cast<u16>(cpu_count()); }));
    CHECK_ERROR(invalid, with([](Create& a) { a.kind = static_cast<abi::ThreadKind>(7); }));
    auto read_only = MUST(buffer.copy(rights(abi::MemoryRight::read)));
    CHECK_ERROR(no_right, with([&](Create& a) { a.buffer = read_only.index(); }));
}

TEST(thread_states) {
    volatile u64 counter = 0;
    Worker worker = start_worker(t, count_up, const_cast<u64*>(&counter), {.start = false});
    CHECK_EQUAL(MUST(worker.thread.thread_info()).state, abi::ThreadState::inactive);
    MUST_OK(worker.thread.destroy());
    worker = start_worker(t, count_up, const_cast<u64*>(&counter));
    CHECK(wait_for_value(counter, 5));
    CHECK_ERROR(bad_state, worker.thread.start(0x1000, 0x1000, 0));
    CHECK(!worker.thread.resume(abi::Resume::retry).ok());
    CHECK(!worker.thread.interrupt().ok());
    MUST_OK(worker.thread.stop());
    CHECK(wait_for_state(worker.thread, abi::ThreadState::stopped));
    u64 seen = counter;
    for (int i = 0; i < 20; i++) yield_cpu();
    CHECK_EQUAL(counter, seen);
    MUST_OK(worker.thread.resume_stopped());
    CHECK(wait_for_value(counter, seen + 5));
    CHECK(MUST(worker.thread.thread_info()).cpu_time > 0);
}

TEST(thread_wild_starts) {
    for (u64 address :
         {u64{0}, u64{0x0000'8000'0000'0000}, u64{0xffff'8000'0000'0000}, ~u64{0}, abi::kUserTop}) {
        Worker worker = start_worker(t, count_up, nullptr, {.start = false});
        if (worker.thread.start(address, address, 0).ok())
            CHECK(wait_for_state(worker.thread, abi::ThreadState::dead));
        else CHECK_EQUAL(MUST(worker.thread.thread_info()).state, abi::ThreadState::inactive);
    }
}

TEST(thread_priorities) {
    // A thread of higher priority runs before this one goes on; one of lower does not run while we do not wait.
    volatile u64 low = 0, high = 0;
    auto set_flag = [](void* argument) { *static_cast<volatile u64*>(argument) = 1; };
    start_worker(t, set_flag, const_cast<u64*>(&low), {.priority = 20});
    start_worker(t, set_flag, const_cast<u64*>(&high), {.priority = 200});
    CHECK_EQUAL(high, 1);
    CHECK_EQUAL(low, 0);
    auto signal = MUST(t.pool.create_signal());
    CHECK_ERROR(timed_out, signal.wait(1, in_milliseconds(5)));
    CHECK_EQUAL(low, 1);
}

TEST(thread_priority_ceiling) {
    auto budget = MUST(t.pool.create_budget(own_budget(), {.capacity = 1'000'000,
                                                           .period = 1'000'000,
                                                           .cpus = 1,
                                                           .ceiling = 60,
                                                           .signal = abi::kNoHandle,
                                                           .signal_bits = 0}));
    auto buffer = MUST(t.pool.create_memory(kPage));
    abi::ThreadCreate arguments = plain_thread(buffer);
    arguments.budget = budget.index();
    arguments.priority = 61;
    CHECK(!t.pool.create_thread(arguments).ok());
    arguments.priority = 60;
    auto thread = MUST(t.pool.create_thread(arguments));
    CHECK(!thread.set_priority(61).ok());
    MUST_OK(thread.set_priority(10));
    CHECK_EQUAL(MUST(thread.thread_info()).priority, 10);
    CHECK(
        !t.pool.create_budget(budget, {.capacity = 1'000'000, .period = 1'000'000, .cpus = 1, .ceiling = 61})
             .ok());
}

TEST(thread_round_robin) {
    // Two that never give way share the processor.
    volatile u64 counters[2] = {0, 0};
    auto spin = [](void* argument) {
        auto& counter = *static_cast<volatile u64*>(argument);
        for (;;) counter = counter + 1;
    };
    start_worker(t, spin, const_cast<u64*>(&counters[0]), {.priority = 90});
    start_worker(t, spin, const_cast<u64*>(&counters[1]), {.priority = 90});
    auto signal = MUST(t.pool.create_signal());
    CHECK_ERROR(timed_out, signal.wait(1, in_milliseconds(60)));
    CHECK(wait_for_value(counters[0], 1000) && wait_for_value(counters[1], 1000));
}

TEST(thread_page_fault_handler) {
    auto endpoint = MUST(t.pool.create_endpoint());
    auto handler = MUST(endpoint.mint(99, rights(abi::EndpointRight::send)));
    auto memory = MUST(t.pool.create_memory(kPage));
    struct Pair {
        u64 address;
        volatile u64 value = 0;
    } pair{take_addresses(kPage)};
    start_worker(t,
                 [](void* argument) {
                     auto& p = *static_cast<Pair*>(argument);
                     *reinterpret_cast<volatile u64*>(p.address + 16) = 4711;
                     p.value = *reinterpret_cast<volatile u64*>(p.address + 16);
                 },
                 &pair, {.handler = handler.index()});
    Message message;
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    CHECK(message.tag.from_kernel());
    CHECK_EQUAL(message.tag.operation(), abi::Event::page_fault);
    CHECK_EQUAL(message.words[0], pair.address + 16);
    CHECK_EQUAL(message.words[1], abi::FaultAccess::write);
    MUST_OK(own_space().map(pair.address, memory, 0, kPage, abi::kMapRead | abi::kMapWrite));
    Message reply;
    reply.tag = abi::Tag(static_cast<u16>(abi::Resume::retry), 0);
    MUST_OK(ipc_reply_recv(endpoint.index(), reply, in_milliseconds(20000)));  // its end, by ud2
    CHECK_EQUAL(pair.value, 4711);
    CHECK_EQUAL(reply.tag.operation(), abi::Event::exception);
    CHECK_EQUAL(reply.words[0], 6);
}

TEST(thread_exceptions) {
    struct Case {
        WorkerFunction function;
        u64 vector;
    };
    static constexpr Case kCases[] = {
        {[](void*) {
             asm volatile("xorl %%ecx, %%ecx; movl $1, %%eax; cltd; idivl %%ecx" ::: "eax", "ecx", "edx");
         },
         0},
        {[](void*) { asm volatile("int3"); }, 3},
        {[](void*) { asm volatile("ud2"); }, 6},
        {[](void*) { asm volatile("hlt"); }, 13},
        {[](void*) { asm volatile("cli"); }, 13},
        {[](void*) {
             asm volatile("movq %%cr0, %%rax" ::: "rax");
         },
         13},
        {[](void*) {
             asm volatile("inb $0x60, %%al" ::: "rax");
         },
         13},
        {[](void*) { asm volatile("int $0x30"); }, 13},
        {[](void*) { asm volatile("rdmsr" ::"c"(0x10)
                                  : "rax", "rdx"); }, 13},
        {[](void*) {
             asm volatile("sgdt -64(%%rsp)" ::: "memory");
         },
         13},  // UMIP
        {[](void*) { *reinterpret_cast<volatile u64*>(u64{0x8000'0000'0000'0000}) = 1; }, 13},
        {[](void*) {
             asm volatile("pushfq; orq $0x100, (%%rsp); popfq; nop" ::: "memory");
         },
         1},
    };
    auto endpoint = MUST(t.pool.create_endpoint());
    for (const Case& c : kCases) {
        Worker worker = start_worker(t, c.function, nullptr, {.handler = endpoint.index()});
        Message message;
        MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
        CHECK(message.tag.from_kernel());
        CHECK_EQUAL(message.tag.operation(), abi::Event::exception);
        CHECK_EQUAL(message.words[0], c.vector);
        MUST_OK(worker.thread.destroy());
    }
}

TEST(thread_kernel_memory_is_out_of_reach) {
    auto endpoint = MUST(t.pool.create_endpoint());
    for (u64 address : {u64{0xffff'8000'0000'0000}, u64{0xffff'8000'0020'0000}, u64{0xffff'ffff'8020'0000},
                        u64{0xffff'ffff'c000'0000}, u64{0}}) {
        Worker worker = start_worker(t, [](void* a) { static_cast<void>(*static_cast<volatile u64*>(a)); },
                                     reinterpret_cast<void*>(address), {.handler = endpoint.index()});
        Message message;
        MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
        CHECK_EQUAL(message.tag.operation(), abi::Event::page_fault);
        CHECK_EQUAL(message.words[0], address);
        MUST_OK(worker.thread.destroy());
    }
}

TEST(thread_registers_survive) {
    // All registers across system calls that switch, and across preemption.
    struct Spin {
        volatile u64 wrong = 0;
        volatile u64 rounds = 0;
        u64 seed;
    } spins[3];
    for (u64 i = 0; i < 3; i++) {
        spins[i].seed = 0x1111'2222'3333'4444 * (i + 1);
        start_worker(t,
                     [](void* argument) {
                         auto& s = *static_cast<Spin*>(argument);
                         for (;;) {
                             u64 sum;
                             asm volatile(
                                 "mov %1, %%rbx; lea 1(%%rbx), %%r12; lea 2(%%rbx), %%r13; lea 3(%%rbx), "
                                 "%%r14; lea 4(%%rbx), %%r15\n"
                                 "lea 5(%%rbx), %%rcx; lea 6(%%rbx), %%r11; lea 7(%%rbx), %%r9\n"
                                 "mov $20000, %%eax\n"
                                 "1: dec %%eax; jnz 1b\n"
                                 "mov %%rbx, %0; add %%r12, %0; add %%r13, %0; add %%r14, %0; add %%r15, %0; "
                                 "add %%rcx, %0; add %%r11, %0; add %%r9, %0"
                                 : "=&d"(sum)
                                 : "D"(s.seed)
                                 : "rax", "rbx", "rcx", "r9", "r11", "r12", "r13", "r14", "r15", "cc");
                             if (sum != 8 * s.seed + 28) s.wrong = s.wrong + 1;
                             s.rounds = s.rounds + 1;
                         }
                     },
                     &spins[i], {.priority = 90});
    }
    auto signal = MUST(t.pool.create_signal());
    CHECK_ERROR(timed_out, signal.wait(1, in_milliseconds(80)));
    for (Spin& s : spins) {
        // They run only while this thread, which is more urgent, sleeps; for how long that is, the host decides.
        while (s.rounds < 10) CHECK_ERROR(timed_out, signal.wait(1, in_milliseconds(10)));
        CHECK_EQUAL(s.wrong, 0);
    }
}

TEST(thread_extended_registers) {
    struct Vector {
        u64 seed;
        volatile u64 wrong = 0;
        volatile u64 rounds = 0;
    } vectors[3];
    for (u64 i = 0; i < 3; i++) {
        vectors[i].seed = 0x0101'0101'0101'0101 * (i + 1);
        start_worker(t,
                     [](void* argument) {
                         auto& v = *static_cast<Vector*>(argument);
                         asm volatile("movq %0, %%xmm3; movq %0, %%xmm15" ::"r"(v.seed));
                         for (;;) {
                             u64 a, b;
                             for (volatile int i = 0; i < 3000; i = i + 1) {}
                             if ((v.rounds & 7) == 0) yield_cpu();
                             asm volatile("movq %%xmm3, %0; movq %%xmm15, %1" : "=r"(a), "=r"(b));
                             if (a != v.seed || b != v.seed) v.wrong = v.wrong + 1;
                             v.rounds = v.rounds + 1;
                         }
                     },
                     &vectors[i], {.priority = 90});
    }
    auto signal = MUST(t.pool.create_signal());
    CHECK_ERROR(timed_out, signal.wait(1, in_milliseconds(60)));
    for (Vector& v : vectors) {
        CHECK(wait_for_value(v.rounds, 10));
        CHECK_EQUAL(v.wrong, 0);
    }
}

TEST(thread_destroys_itself) {
    struct Self {
        volatile abi::HandleIndex thread = 0;
    } self;
    Worker worker = start_worker(
        t,
        [](void* argument) {
            auto& s = *static_cast<Self*>(argument);
            while (s.thread == 0) yield_cpu();
            invoke(abi::Syscall::object_destroy, s.thread);
        },
        &self);
    abi::HandleIndex own = worker.thread.release();
    self.thread = own;
    bool gone = false;
    for (abi::Time end = in_milliseconds(20000); !gone && kernel_clock() < end; yield_cpu())
        gone = invoke(abi::Syscall::cap_info, own).error == Error::bad_handle;
    CHECK(gone);
}

}  // namespace pith::test
