// SPDX-License-Identifier: MIT
// Foreign threads: every `syscall` and fault is an event to the personality; resuming with a result or from the state page;
// interruption, exactly once; registers that are sanitised; extended state by operation.
#include <cstring>

#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

constexpr u64 kPage = abi::kPageSize;
constexpr u64 kBadge = 4321;
constexpr u64 kCarry = 1;

/// A foreign thread in this Space, with its state page where we see it.
struct Foreign {
    Handle<Endpoint> endpoint;
    Handle<Endpoint> handler;
    Handle<Memory> memory;
    Handle<Thread> thread;
    abi::ForeignState* state = nullptr;
};

bool make_foreign(Context& t, Foreign& f, void (*entry)(), u32 cpu = 0, u8 priority = 90) {
    auto ok = [&](bool good, const char* what) { return record(t, good, what, __LINE__); };
    auto endpoint = t.pool.create_endpoint();
    if (!ok(endpoint.ok(), "endpoint")) return false;
    f.endpoint = std::move(*endpoint);
    auto handler = f.endpoint.mint(kBadge, rights(abi::EndpointRight::send));
    auto memory = t.pool.create_memory(kPage);
    if (!ok(handler.ok() && memory.ok(), "handler and state page")) return false;
    f.handler = std::move(*handler);
    f.memory = std::move(*memory);
    u64 address = map_somewhere(f.memory, kPage);
    f.state = reinterpret_cast<abi::ForeignState*>(address);
    auto thread = t.pool.create_thread({.space = own_space().index(),
                                        .captable = abi::kNoHandle,
                                        .handler = f.handler.index(),
                                        .buffer = f.memory.index(),
                                        .buffer_offset = 0,
                                        .badge = kBadge,
                                        .budget = own_budget().index(),
                                        .priority = priority,
                                        .kind = abi::ThreadKind::foreign,
                                        .cpu = static_cast<u16>(cpu),
                                        .buffer_address = 0});
    if (!ok(thread.ok(), "a foreign thread")) return false;
    f.thread = std::move(*thread);
    std::memset(f.state, 0, sizeof(*f.state));
    f.state->rip = reinterpret_cast<u64>(entry);
    f.state->rflags = 0x202;
    return ok(f.thread.resume(abi::Resume::state).ok(), "resume from the state page");
}

#define FOREIGN_CODE(name, text) \
    [[gnu::naked]] void name() { asm volatile(text); }

FOREIGN_CODE(
    loop_of_calls,
    "mov $39, %eax; mov $1, %edi; mov $2, %esi; mov $3, %edx; mov $4, %r10d; mov $5, %r8d; mov $6, %r9d\n"
    "1: syscall; inc %r12; jmp 1b")
FOREIGN_CODE(spin_for_ever, "1: inc %r13; jmp 1b")
FOREIGN_CODE(one_fault, "mov 0x5000, %rax; mov $77, %eax; syscall; ud2")
FOREIGN_CODE(vector_load,
             "movq %xmm5, %rdi; mov $1, %eax; syscall; mov $0x77, %edi; movq %rdi, %xmm5; mov $2, %eax; "
             "syscall; movq %xmm5, %rdi; mov $3, %eax; syscall; ud2")

FOREIGN_CODE(tell_fs_base, "1: rdfsbase %rdi; syscall; jmp 1b")

Error next_event(Foreign& f, Message& message) {
    return ipc_recv(f.endpoint.index(), message, in_milliseconds(20000));
}

Error reply_with(Foreign& f, Message& message, abi::Resume how, u64 value = 0, u64 patience = 20000) {
    message.tag = abi::Tag(static_cast<u16>(how), 0);
    message.words[0] = value;
    return ipc_reply_recv(f.endpoint.index(), message, in_milliseconds(patience));
}

}  // namespace

TEST(foreign_system_calls) {
    Foreign f;
    if (!make_foreign(t, f, loop_of_calls)) return;
    Message m;
    MUST_OK(next_event(f, m));
    for (u64 round = 0; round < 500; round++) {
        CHECK(m.tag.from_kernel());
        CHECK_EQUAL(m.tag.operation(), abi::Event::syscall);
        CHECK_EQUAL(m.badge, kBadge);
        CHECK_EQUAL(m.words[0], round == 0 ? 39 : 1000 + round - 1);
        for (u64 i = 1; i <= 6; i++) CHECK_EQUAL(m.words[i], i);
        CHECK_EQUAL(f.state->rdi, 1);
        CHECK_EQUAL(f.state->r12, round);
        CHECK_EQUAL(f.state->rip, m.words[7]);
        CHECK_EQUAL(f.state->rcx, f.state->rip);
        CHECK_EQUAL(f.state->event, abi::Event::syscall);
        MUST_OK(reply_with(f, m, abi::Resume::result, 1000 + round));
    }
}

TEST(foreign_resume_by_thread) {
    Foreign f;
    if (!make_foreign(t, f, loop_of_calls)) return;
    Message m;
    MUST_OK(next_event(f, m));
    CHECK_ERROR(timed_out, ipc_recv(f.endpoint.index(), m, abi::kPoll));  // it stays stopped, for later
    MUST_OK(f.thread.resume(abi::Resume::result, 55));
    MUST_OK(next_event(f, m));
    CHECK_EQUAL(m.words[0], 55);
    f.state->r12 = 900;
    f.state->rax = 66;
    f.state->rflags |= kCarry;
    MUST_OK(f.thread.resume(abi::Resume::state));
    MUST_OK(next_event(f, m));
    CHECK_EQUAL(m.words[0], 66);
    CHECK_EQUAL(f.state->r12, 901);
    CHECK(!f.thread.start(0x1000, 0, 0).ok());
    MUST_OK(f.thread.resume(abi::Resume::result, 1));
    MUST_OK(next_event(f, m));
    MUST_OK(f.thread.resume(abi::Resume::result, 1));
    CHECK(!f.thread.resume(abi::Resume::result, 1).ok() || next_event(f, m) == Error::ok);
}

TEST(foreign_state_is_sanitised) {
    Foreign f;
    if (!make_foreign(t, f, loop_of_calls)) return;
    Message m;
    MUST_OK(next_event(f, m));
    u64 good = f.state->rip;
    f.state->rflags = ~u64{0} &
                      ~u64{0x100};  // interrupts, I/O privilege, nested task, virtual mode: all but the trap
    f.state->fs_base = 0x8000'0000'0000'0000;
    f.state->gs_base = 0x0001'0000'0000'0000;
    f.state->rip = good;
    MUST_OK(reply_with(f, m, abi::Resume::state));
    CHECK_EQUAL(f.state->rflags & 0x3000, 0);     // I/O privilege level
    CHECK_EQUAL(f.state->rflags & 0x4000, 0);     // nested task
    CHECK_EQUAL(f.state->rflags & 0x200, 0x200);  // interrupts stay on
    for (u64 address :
         {u64{0xffff'8000'0000'0000}, u64{0x0000'8000'0000'0000}, ~u64{0}, u64{0x1234'5678'9abc'def0}}) {
        f.state->rip = address;
        f.state->rsp = address;
        MUST_OK(reply_with(f, m, abi::Resume::state));
        CHECK(m.tag.operation() == static_cast<u16>(abi::Event::page_fault) ||
              m.tag.operation() == static_cast<u16>(abi::Event::exception));
    }
    f.state->rip = good;
    f.state->rsp = 0;
    f.state->rax = 8;
    MUST_OK(reply_with(f, m, abi::Resume::state));
    CHECK_EQUAL(m.tag.operation(), abi::Event::syscall);
}

TEST(foreign_faults) {
    Foreign f;
    if (!make_foreign(t, f, one_fault)) return;
    Message m;
    MUST_OK(next_event(f, m));
    CHECK_EQUAL(m.tag.operation(), abi::Event::page_fault);
    CHECK_EQUAL(m.words[0], 0x5000);
    CHECK_EQUAL(m.words[1], abi::FaultAccess::read);
    CHECK_EQUAL(f.state->fault_address, 0x5000);
    auto memory = MUST(t.pool.create_memory(kPage));
    MUST_OK(own_space().map(0x5000, memory, 0, kPage, abi::kMapRead));
    MUST_OK(reply_with(f, m, abi::Resume::retry));
    CHECK_EQUAL(m.tag.operation(), abi::Event::syscall);
    CHECK_EQUAL(m.words[0], 77);
    MUST_OK(reply_with(f, m, abi::Resume::result, 0));
    CHECK_EQUAL(m.tag.operation(), abi::Event::exception);
    CHECK_EQUAL(m.words[0], 6);
    CHECK_EQUAL(f.state->vector, 6);
}

TEST(foreign_interrupt_running) {
    for (u32 cpu = 0; cpu < (cpu_count() > 1 ? 2u : 1u); cpu++) {
        Foreign f;
        if (!make_foreign(t, f, spin_for_ever, cpu)) return;
        Message m;
        for (int round = 0; round < 20; round++) {
            CHECK_ERROR(timed_out, ipc_recv(f.endpoint.index(), m, in_milliseconds(1)));
            MUST_OK(f.thread.interrupt());
            MUST_OK(next_event(f, m));
            CHECK_EQUAL(m.tag.operation(), abi::Event::interrupted);
            CHECK_ERROR(timed_out, ipc_recv(f.endpoint.index(), m, in_milliseconds(1)));
            MUST_OK(f.thread.resume(abi::Resume::retry));
        }
        CHECK(f.state->r13 != 0);
        MUST_OK(f.thread.destroy());
    }
}

TEST(foreign_interrupt_at_an_event) {
    Foreign f;
    if (!make_foreign(t, f, loop_of_calls)) return;
    Message m;
    MUST_OK(next_event(f, m));
    MUST_OK(f.thread.interrupt());
    MUST_OK(f.thread.interrupt());  // twice is once
    CHECK_ERROR(timed_out, ipc_recv(f.endpoint.index(), m, in_milliseconds(1)));
    MUST_OK(f.thread.resume(abi::Resume::result, 123));
    MUST_OK(next_event(f, m));
    CHECK_EQUAL(m.tag.operation(), abi::Event::interrupted);
    CHECK_EQUAL(f.state->rax, 123);
    CHECK_EQUAL(f.state->r12, 0);
    MUST_OK(f.thread.resume(abi::Resume::retry));
    MUST_OK(next_event(f, m));
    CHECK_EQUAL(m.tag.operation(), abi::Event::syscall);
    CHECK_EQUAL(m.words[0], 123);
    CHECK_EQUAL(f.state->r12, 1);
}

TEST(foreign_extended_state) {
    Foreign f;
    if (!make_foreign(t, f, vector_load)) return;
    Message m;
    MUST_OK(next_event(f, m));
    CHECK_EQUAL(m.words[1], 0);
    u64 size = MUST(f.thread.fpu_read(0));
    CHECK(size >= 512);
    CHECK_ERROR(invalid, f.thread.fpu_read(100));
    CHECK_ERROR(invalid, f.thread.fpu_read(1 << 20));
    // xmm5 lies at 160 + 5 * 16 of the legacy area; the header behind it says that SSE state is there.
    MUST_OK(reply_with(f, m, abi::Resume::result));
    MUST(f.thread.fpu_read(0));
    CHECK_EQUAL(this_buffer().words[(160 + 80) / 8], 0x77);
    this_buffer().words[(160 + 80) / 8] = 0x99;
    MUST_OK(f.thread.fpu_write(0));
    MUST_OK(reply_with(f, m, abi::Resume::result));
    CHECK_EQUAL(m.words[1], 0x99);
    // Garbage everywhere must do no harm.
    for (u64 offset = 0; offset < size; offset += abi::kFpuChunk) {
        for (u64& word : this_buffer().words) word = ~u64{0};
        MUST_OK(f.thread.fpu_write(offset));
    }
    static_cast<void>(reply_with(f, m, abi::Resume::result));
    CHECK_EQUAL(m.tag.operation(), abi::Event::exception);
}

TEST(foreign_dies_with_its_personality_waiting) {
    Foreign f;
    if (!make_foreign(t, f, loop_of_calls)) return;
    Message m;
    MUST_OK(next_event(f, m));
    MUST_OK(f.thread.destroy());
    CHECK_ERROR(timed_out,
                reply_with(f, m, abi::Resume::result, 0, 1));  // there is nobody to answer, or to hear from
}

// The personality may answer from another CPU before the thread's own has switched away from it.
TEST(foreign_segment_base_from_another_cpu) {
    Foreign f;
    if (!make_foreign(t, f, tell_fs_base, 1 % cpu_count())) return;
    Message m;
    MUST_OK(next_event(f, m));
    for (u64 round = 1; round <= 500; round++) {
        f.state->fs_base = round * kPage;
        f.state->rax = 0;
        MUST_OK(reply_with(f, m, abi::Resume::state));
        CHECK_EQUAL(m.words[1], round * kPage);
    }
}

TEST(foreign_state_page_goes) {
    Foreign f;
    if (!make_foreign(t, f, loop_of_calls)) return;
    Message m;
    MUST_OK(next_event(f, m));
    MUST_OK(f.memory.destroy());
    static_cast<void>(f.thread.resume(abi::Resume::result, 1));
    static_cast<void>(ipc_recv(f.endpoint.index(), m, in_milliseconds(2)));
}

}  // namespace pith::test
