// SPDX-License-Identifier: MIT
// A caller always learns of a death: every way in which a server can end, in every state in which it can be while it owes an answer,
// on the caller's CPU and on another one. And what becomes of threads that wait at their fault or event.
#include <cstring>

#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

constexpr u64 kPage = abi::kPageSize;

/// What a server does with a call instead of answering it.
enum class Doing {
    working,           ///< runs
    queueing,          ///< its own call has not been received
    calling,           ///< its own call is being worked on
    waiting,           ///< for a Signal
    holding,           ///< it took the Reply, and receives elsewhere
    adopting,          ///< it took the Reply, and took the call up again
    handing_over,      ///< it has sent the Reply away, to somebody who holds it
    faulting,          ///< at a fault that its handler has, and does not answer
    faulting_unheard,  ///< at a fault that nobody has received
};
/// How it ends.
enum class End {
    thread_destroyed,
    thread_stopped_and_destroyed,
    captable_destroyed,
    buffer_destroyed,
    pool_destroyed,
    holder_ends,  ///< who has the Reply, or the handler, loses its table
};
constexpr End kEnds[] = {End::thread_destroyed,   End::thread_stopped_and_destroyed,
                         End::captable_destroyed, End::buffer_destroyed,
                         End::pool_destroyed,     End::holder_ends};

/// Whether that end of the server ends the call. A Reply belongs to the table that it is in; and where somebody behind the server
/// ends, so does the server, if it waits for that one.
bool ends_call(Doing doing, End end) {
    if (doing == Doing::handing_over) return end == End::holder_ends;
    if (doing == Doing::holding) return end == End::captable_destroyed || end == End::pool_destroyed;
    return end != End::holder_ends || doing == Doing::calling || doing == Doing::faulting;
}

/// Of one server, in numbers of its own table.
struct Server {
    abi::HandleIndex endpoint = 0, other = 0, signal = 0;
    Doing doing = Doing::working;
    volatile u64 busy = 0;
};

void serve(void* argument) {
    auto& server = *static_cast<Server*>(argument);
    Message message;
    if (ipc_recv(server.endpoint, message) != Error::ok) return;
    Message next;
    server.busy = 1;
    switch (server.doing) {
        case Doing::working:
            for (;;) yield_cpu();
        case Doing::queueing:
        case Doing::calling: static_cast<void>(ipc_call(server.other, next)); break;
        case Doing::waiting: static_cast<void>(invoke(abi::Syscall::signal_wait, server.signal, 1, 0)); break;
        case Doing::holding:
        case Doing::adopting:
        case Doing::handing_over: {
            const auto reply = static_cast<abi::HandleIndex>(invoke(abi::Syscall::take_reply).r0);
            if (server.doing == Doing::adopting) {
                invoke(abi::Syscall::adopt, reply);
                for (;;) {
                    server.busy = 2;
                    yield_cpu();
                }
            }
            if (server.doing == Doing::handing_over) {
                next.tag = abi::Tag(1, 0, 1);
                this_buffer().handles[0] = {reply, abi::kAllRights, abi::kHandleMove, 0};
                if (ipc_send(server.other, next) == Error::ok) server.busy = 2;
            }
            static_cast<void>(ipc_recv(server.endpoint, next));
            break;
        }
        case Doing::faulting:
        case Doing::faulting_unheard: asm volatile("ud2");
    }
}

/// Receives once, and keeps what it got.
void receive_and_keep(void* argument) {
    auto& server = *static_cast<Server*>(argument);
    Message message;
    if (ipc_recv(server.endpoint, message) != Error::ok) return;
    server.busy = 1;
    for (;;) yield_cpu();
}

struct Caller {
    abi::HandleIndex endpoint;
    volatile u64 done = 0;
    volatile u64 error = 0;
};
void call_once(void* argument) {
    auto& caller = *static_cast<Caller*>(argument);
    Message message;
    caller.error = static_cast<u64>(ipc_call(caller.endpoint, message));
    caller.done = 1;
}

/// A thread in a Pool and with a table of its own.
struct Party {
    Context context;  ///< its Pool
    Handle<CapTable> table;
    Worker worker;
    Server server;
};

abi::HandleIndex give(Party& party, const Handle<Endpoint>& endpoint) {
    return endpoint.copy_to(party.table).value_or(abi::kNoHandle);
}

bool make_party(Context& t, Party& party) {
    auto pool = t.pool.create_pool(64);
    if (!record(t, pool.ok(), "a Pool", __LINE__)) return false;
    party.context.pool = std::move(*pool);
    auto table = party.context.pool.create_captable(64);
    if (!record(t, table.ok(), "a CapTable", __LINE__)) return false;
    party.table = std::move(*table);
    return true;
}

/// One round: client, server and, where it takes one, somebody behind the server.
struct Round {
    Handle<Endpoint> front, back;
    Handle<Signal> signal;
    Party server, behind;
    Caller caller{};
    Worker client;
};

bool begin(Context& t, Round& r, Doing doing, u32 client_cpu, u32 server_cpu) {
    if (!make_party(t, r.server) || !make_party(t, r.behind)) return false;
    auto front = t.pool.create_endpoint();
    auto back = t.pool.create_endpoint();
    auto signal = t.pool.create_signal();
    if (!record(t, front.ok() && back.ok() && signal.ok(), "Endpoints", __LINE__)) return false;
    r.front = std::move(*front);
    r.back = std::move(*back);
    r.signal = std::move(*signal);
    r.server.server.endpoint = give(r.server, r.front);
    r.server.server.other = give(r.server, r.back);
    r.server.server.signal = r.signal.copy_to(r.server.table).value_or(abi::kNoHandle);
    r.server.server.doing = doing;
    r.behind.server.endpoint = give(r.behind, r.back);
    const bool fault = doing == Doing::faulting || doing == Doing::faulting_unheard;
    if (doing == Doing::calling || doing == Doing::handing_over || doing == Doing::faulting)
        r.behind.worker = start_worker(r.behind.context, receive_and_keep, &r.behind.server,
                                       {.cpu = client_cpu, .captable = r.behind.table.index()});
    r.server.worker = start_worker(r.server.context, serve, &r.server.server,
                                   {.cpu = server_cpu,
                                    .handler = fault ? r.back.index() : abi::kNoHandle,
                                    .captable = r.server.table.index()});
    r.caller.endpoint = r.front.index();
    r.client = start_worker(t, call_once, &r.caller, {.cpu = client_cpu});
    return true;
}

/// Waits until the server is doing what it is to be doing.
bool arrived(const Round& r, Doing doing) {
    const auto& thread = r.server.worker.thread;
    switch (doing) {
        case Doing::working: return wait_for_value(r.server.server.busy, 1);
        case Doing::adopting: return wait_for_value(r.server.server.busy, 2);
        case Doing::queueing: return wait_for_state(thread, abi::ThreadState::calling);
        case Doing::calling: return wait_for_value(r.behind.server.busy, 1);
        case Doing::waiting: return wait_for_state(thread, abi::ThreadState::waiting);
        case Doing::holding:
            return wait_for_value(r.server.server.busy, 1) &&
                   wait_for_state(thread, abi::ThreadState::receiving);
        case Doing::handing_over:
            return wait_for_value(r.server.server.busy, 2) && wait_for_value(r.behind.server.busy, 1);
        case Doing::faulting: return wait_for_value(r.behind.server.busy, 1);
        case Doing::faulting_unheard: return wait_for_state(thread, abi::ThreadState::stopped);
    }
    return false;
}

Result<> finish(Round& r, End end) {
    switch (end) {
        case End::thread_destroyed: return r.server.worker.thread.destroy();
        case End::thread_stopped_and_destroyed: {
            const Result<> stopped = r.server.worker.thread.stop();
            return stopped.ok() ? r.server.worker.thread.destroy() : stopped;
        }
        case End::captable_destroyed: return r.server.table.destroy();
        case End::buffer_destroyed: return r.server.worker.memory.destroy();
        case End::pool_destroyed: return r.server.context.pool.destroy();
        case End::holder_ends: return r.behind.table.destroy();
    }
    return Error::invalid;
}

void round(Context& t, Doing doing, End end, u32 client_cpu, u32 server_cpu) {
    Round r;
    if (!begin(t, r, doing, client_cpu, server_cpu)) return;
    CHECK(arrived(r, doing));
    CHECK_EQUAL(r.caller.done, 0);
    MUST_OK(finish(r, end));
    if (!ends_call(doing, end)) {
        for (int i = 0; i < 4; i++) yield_cpu();
        CHECK_EQUAL(r.caller.done, 0);
        if (r.server.context.pool.valid()) MUST_OK(r.server.context.pool.destroy());
        MUST_OK(r.behind.context.pool.destroy());
    }
    CHECK(wait_for_value(r.caller.done, 1));
    CHECK_EQUAL(r.caller.error, Error::peer_died);
    CHECK(wait_for_state(r.client.thread, abi::ThreadState::dead));
    if (r.server.context.pool.valid()) MUST_OK(r.server.context.pool.destroy());
    if (r.behind.context.pool.valid()) MUST_OK(r.behind.context.pool.destroy());
}

void all_rounds(Context& t, Doing doing) {
    for (const End end : kEnds) {
        round(t, doing, end, 0, 0);
        if (t.failure == nullptr && cpu_count() > 1) round(t, doing, end, 0, 1);
        if (t.failure == nullptr && cpu_count() > 1) round(t, doing, end, 1, 0);
        if (t.failure == nullptr) continue;
        print("  (end ");
        print_number(static_cast<u64>(end));
        print(")\n");
        return;
    }
}

}  // namespace

TEST(peer_dies_working) { all_rounds(t, Doing::working); }
TEST(peer_dies_queueing_itself) { all_rounds(t, Doing::queueing); }
TEST(peer_dies_in_a_call_of_its_own) { all_rounds(t, Doing::calling); }
TEST(peer_dies_waiting_for_a_signal) { all_rounds(t, Doing::waiting); }
TEST(peer_dies_holding_the_reply) { all_rounds(t, Doing::holding); }
TEST(peer_dies_having_adopted) { all_rounds(t, Doing::adopting); }
TEST(peer_dies_having_handed_the_reply_over) { all_rounds(t, Doing::handing_over); }
TEST(peer_dies_at_a_fault) { all_rounds(t, Doing::faulting); }
TEST(peer_dies_at_an_unheard_fault) { all_rounds(t, Doing::faulting_unheard); }

TEST(peer_endpoint_destroyed_while_calls_queue) {
    // Two that queue behind a busy server, which then dies: they stay for the next one, and there is none.
    for (u32 cpu = 0; cpu < (cpu_count() > 1 ? 2u : 1u); cpu++) {
        Round r;
        if (!begin(t, r, Doing::working, 0, cpu)) return;
        CHECK(arrived(r, Doing::working));
        Caller queued[2] = {{r.front.index()}, {r.front.index()}};
        Worker clients[2];
        for (u32 i = 0; i < 2; i++) {
            clients[i] = start_worker(t, call_once, &queued[i], {.cpu = i % cpu_count()});
            CHECK(wait_for_state(clients[i].thread, abi::ThreadState::calling));
        }
        MUST_OK(r.server.worker.thread.destroy());
        CHECK(wait_for_value(r.caller.done, 1));
        CHECK_EQUAL(r.caller.error, Error::peer_died);
        for (u32 i = 0; i < 2; i++) {
            CHECK_EQUAL(queued[i].done, 0);
            CHECK_EQUAL(MUST(clients[i].thread.thread_info()).state, abi::ThreadState::calling);
        }
        MUST_OK(r.front.destroy());
        for (const Caller& caller : queued) {
            CHECK(wait_for_value(caller.done, 1));
            CHECK_EQUAL(caller.error, Error::peer_died);
        }
        for (const Worker& client : clients) CHECK(wait_for_state(client.thread, abi::ThreadState::dead));
        MUST_OK(r.server.context.pool.destroy());
    }
}

TEST(peer_handler_destroyed_while_a_fault_queues) {
    Round r;
    if (!begin(t, r, Doing::faulting_unheard, 0, cpu_count() - 1)) return;
    CHECK(arrived(r, Doing::faulting_unheard));
    MUST_OK(r.back.destroy());
    CHECK(wait_for_value(r.caller.done, 1));
    CHECK_EQUAL(r.caller.error, Error::peer_died);
    CHECK(wait_for_state(r.server.worker.thread, abi::ThreadState::dead));
}

TEST(peer_dies_with_a_reply_deleted) {
    for (u32 cpu = 0; cpu < (cpu_count() > 1 ? 2u : 1u); cpu++) {
        auto endpoint = MUST(t.pool.create_endpoint());
        Caller caller{endpoint.index()};
        start_worker(t, call_once, &caller, {.cpu = cpu});
        Message message;
        MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
        auto reply = MUST(Handle<Reply>::take());
        CHECK_EQUAL(caller.done, 0);
        reply.reset();
        CHECK(wait_for_value(caller.done, 1));
        CHECK_EQUAL(caller.error, Error::peer_died);
    }
}

namespace {

[[gnu::naked]] void foreign_loop() { asm volatile("mov $39, %eax; 1: syscall; jmp 1b"); }

/// A foreign thread at its event, which its personality has received; that dies so. It stays where it is, for another one.
void personality_ends(Context& t, End end, u32 foreign_cpu, u32 personality_cpu) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Party personality;
    if (!make_party(t, personality)) return;
    personality.server.endpoint = give(personality, endpoint);
    personality.worker = start_worker(personality.context, receive_and_keep, &personality.server,
                                      {.cpu = personality_cpu, .captable = personality.table.index()});
    auto memory = MUST(t.pool.create_memory(kPage));
    auto* state = reinterpret_cast<abi::ForeignState*>(map_somewhere(memory, kPage));
    std::memset(state, 0, sizeof(*state));
    state->rip = reinterpret_cast<u64>(foreign_loop);
    state->rflags = 0x202;
    auto thread = MUST(t.pool.create_thread({.space = own_space().index(),
                                             .captable = abi::kNoHandle,
                                             .handler = endpoint.index(),
                                             .buffer = memory.index(),
                                             .buffer_offset = 0,
                                             .badge = 77,
                                             .budget = own_budget().index(),
                                             .priority = 100,
                                             .kind = abi::ThreadKind::foreign,
                                             .cpu = static_cast<u16>(foreign_cpu),
                                             .buffer_address = 0}));
    MUST_OK(thread.resume(abi::Resume::state));
    CHECK(wait_for_value(personality.server.busy, 1));
    switch (end) {
        case End::captable_destroyed: MUST_OK(personality.table.destroy()); break;
        case End::pool_destroyed: MUST_OK(personality.context.pool.destroy()); break;
        default: MUST_OK(personality.worker.thread.destroy()); break;
    }
    CHECK_EQUAL(MUST(thread.thread_info()).state, abi::ThreadState::stopped);
    Message message;
    CHECK_ERROR(timed_out, ipc_recv(endpoint.index(), message, abi::kPoll));
    MUST_OK(thread.resume(abi::Resume::result, 5));
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    CHECK_EQUAL(message.badge, 77);
    CHECK_EQUAL(message.tag.operation(), abi::Event::syscall);
    CHECK_EQUAL(message.words[0], 5);
    MUST_OK(endpoint.destroy());  // nobody will hear of its next event: it ends with that
    MUST_OK(thread.resume(abi::Resume::result, 6));
    CHECK(wait_for_state(thread, abi::ThreadState::dead));
    if (personality.context.pool.valid()) MUST_OK(personality.context.pool.destroy());
}

}  // namespace

TEST(peer_of_a_foreign_thread_dies) {
    const u32 last = cpu_count() > 1 ? 1 : 0;
    for (const End end : {End::thread_destroyed, End::captable_destroyed, End::pool_destroyed}) {
        for (u32 cpu = 0; cpu <= last && t.failure == nullptr; cpu++) personality_ends(t, end, 0, cpu);
        if (t.failure == nullptr) personality_ends(t, end, last, 0);
    }
}

}  // namespace pith::test
