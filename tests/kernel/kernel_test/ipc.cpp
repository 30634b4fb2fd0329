// SPDX-License-Identifier: MIT
// Messages: calls, sends, buffers, capabilities in messages, replies, and what happens when a side goes away.
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

/// A server thread: what it got, and how it behaves.
struct Server {
    abi::HandleIndex endpoint;
    volatile u64 served = 0;
    volatile u64 badge = 0;
    volatile u64 stop = 0;
    Error last = Error::ok;
};

/// Answers each call with its words plus one, and its buffer words and handles back.
void echo_server(void* argument) {
    auto& server = *static_cast<Server*>(argument);
    Message message;
    server.last = ipc_recv(server.endpoint, message);
    while (server.last == Error::ok) {
        server.badge = message.badge;
        server.served = server.served + 1;
        for (u64& word : message.words) word++;
        message.tag = abi::Tag(message.tag.operation(), message.tag.buffer_words(), 0, Error::ok);
        server.last = ipc_reply_recv(server.endpoint, message);
    }
}

struct Caller {
    abi::HandleIndex endpoint;
    abi::Time deadline = 0;
    volatile u64 done = 0;
    volatile u64 error = 0;
    u64 word = 0;
    bool send = false;
};

void call_once(void* argument) {
    auto& caller = *static_cast<Caller*>(argument);
    Message message;
    message.tag = abi::Tag(1, 0);
    message.words[0] = caller.word;
    Error error = caller.send ? ipc_send(caller.endpoint, message, caller.deadline)
                              : ipc_call(caller.endpoint, message, caller.deadline);
    caller.word = message.words[0];
    caller.error = static_cast<u64>(error);
    caller.done = 1;
}

}  // namespace

TEST(ipc_call_and_reply) {
    auto endpoint = MUST(t.pool.create_endpoint());
    auto client = MUST(endpoint.mint(0x1234'5678'9abc'def0, rights(abi::EndpointRight::send)));
    Server server{endpoint.index()};
    start_worker(t, echo_server, &server);
    for (u64 round = 0; round < 1000; round++) {
        Message message;
        message.tag = abi::Tag(7, 0);
        for (u64 i = 0; i < 8; i++) message.words[i] = round * 10 + i;
        MUST_OK(ipc_call(client.index(), message));
        CHECK_EQUAL(message.tag.operation(), 7);
        CHECK_EQUAL(message.badge, 0);
        for (u64 i = 0; i < 8; i++) CHECK_EQUAL(message.words[i], round * 10 + i + 1);
    }
    CHECK_EQUAL(server.served, 1000);
    CHECK_EQUAL(server.badge, 0x1234'5678'9abc'def0);
}

TEST(ipc_buffer_words) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Server server{endpoint.index()};
    start_worker(t, echo_server, &server);
    for (u32 count : {1u, 17u, 64u}) {
        Message message;
        for (u64 i = 0; i < count; i++) this_buffer().words[i] = 1000 + i * count;
        message.tag = abi::Tag(1, count);
        MUST_OK(ipc_call(endpoint.index(), message));
        CHECK_EQUAL(message.tag.buffer_words(), count);
        for (u64 i = 0; i < count; i++) CHECK_EQUAL(this_buffer().words[i], 1000 + i * count);
    }
    Message message;
    message.tag = abi::Tag(1, 65);
    CHECK_ERROR(invalid, ipc_call(endpoint.index(), message));
    message.tag = abi::Tag(1, 127);
    CHECK_ERROR(invalid, ipc_call(endpoint.index(), message));
    message.tag = abi::Tag(1, 0, 5);
    CHECK_ERROR(invalid, ipc_call(endpoint.index(), message));
}

TEST(ipc_kernel_bit_is_the_kernels) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Caller caller{endpoint.index()};
    start_worker(t, call_once, &caller);
    Message message;
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    CHECK(!message.tag.from_kernel());
    Message reply;
    reply.tag = abi::Tag(abi::kTagKernel | 3);
    MUST_OK(ipc_reply(abi::kNoHandle, reply));
    CHECK(wait_for_value(caller.done, 1));
    CHECK_EQUAL(caller.error, Error::ok);
}

TEST(ipc_rights) {
    auto endpoint = MUST(t.pool.create_endpoint());
    auto sender = MUST(endpoint.copy(rights(abi::EndpointRight::send)));
    auto receiver = MUST(endpoint.copy(rights(abi::EndpointRight::receive)));
    Message message;
    CHECK_ERROR(no_right, ipc_recv(sender.index(), message, abi::kPoll));
    CHECK_ERROR(no_right, ipc_call(receiver.index(), message, abi::kPoll));
    CHECK_ERROR(no_right, ipc_send(receiver.index(), message, abi::kPoll));
    CHECK_ERROR(no_right, ipc_reply_recv(sender.index(), message, abi::kPoll));
}

TEST(ipc_deadlines) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Message message;
    abi::Time start = kernel_clock();
    CHECK_ERROR(timed_out, ipc_recv(endpoint.index(), message, start + 3'000'000));
    CHECK(kernel_clock() >= start + 3'000'000);
    CHECK_ERROR(timed_out, ipc_call(endpoint.index(), message, in_milliseconds(2)));
    CHECK_ERROR(timed_out, ipc_send(endpoint.index(), message, in_milliseconds(2)));
    CHECK_ERROR(timed_out, ipc_recv(endpoint.index(), message, abi::kPoll));
    CHECK_ERROR(timed_out, ipc_call(endpoint.index(), message, abi::kPoll));
    // A call that timed out before it was received leaves nothing in the queue.
    CHECK_ERROR(timed_out, ipc_recv(endpoint.index(), message, abi::kPoll));
}

TEST(ipc_deadline_after_delivery) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Caller caller{endpoint.index(), in_milliseconds(20)};
    start_worker(t, call_once, &caller);
    Message message;
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    CHECK(wait_for_value(caller.done, 1));
    CHECK_EQUAL(caller.error, Error::timed_out);
    // The next caller is served as if nothing had been.
    Caller next{endpoint.index()};
    start_worker(t, call_once, &next);
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    MUST_OK(ipc_reply(abi::kNoHandle, message));
    CHECK(wait_for_value(next.done, 1));
    CHECK_EQUAL(next.error, Error::ok);
}

TEST(ipc_send_one_way) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Caller caller{endpoint.index()};
    caller.send = true;
    caller.word = 55;
    start_worker(t, call_once, &caller);
    Message message;
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    CHECK_EQUAL(message.words[0], 55);
    CHECK(wait_for_value(caller.done, 1));
    CHECK_EQUAL(caller.error, Error::ok);
    CHECK_ERROR(bad_state, invoke(abi::Syscall::take_reply));
}

TEST(ipc_replies_as_capabilities) {
    auto endpoint = MUST(t.pool.create_endpoint());
    constexpr u32 kCallers = 3;
    Caller callers[kCallers];
    Handle<Reply> replies[kCallers];
    u64 words[kCallers];
    for (u32 i = 0; i < kCallers; i++) {
        callers[i].endpoint = endpoint.index();
        callers[i].word = i;
        start_worker(t, call_once, &callers[i]);
        Message message;
        MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
        words[i] = message.words[0];
        replies[i] = MUST(Handle<Reply>::take());
    }
    CHECK_EQUAL(MUST(replies[0].info()).type, abi::ObjectType::reply);
    CHECK(!replies[0].copy().ok());  // it moves, and is never two
    for (u32 i : {1u, 0u, 2u}) {
        Message answer;
        answer.words[0] = 100 + words[i];
        MUST_OK(replies[i].send(answer));
        CHECK(wait_for_value(callers[words[i]].done, 1));
        CHECK_EQUAL(callers[words[i]].error, Error::ok);
        CHECK_EQUAL(callers[words[i]].word, 100 + words[i]);
    }
    CHECK_ERROR(bad_state, invoke(abi::Syscall::take_reply));
}

TEST(ipc_lost_reply) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Caller caller{endpoint.index()};
    start_worker(t, call_once, &caller);
    Message message;
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    auto reply = MUST(Handle<Reply>::take());
    reply.reset();
    CHECK(wait_for_value(caller.done, 1));
    CHECK_EQUAL(caller.error, Error::peer_died);
}

TEST(ipc_receiving_anew_without_an_answer) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Caller caller{endpoint.index()};
    start_worker(t, call_once, &caller);
    Message message;
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    CHECK_ERROR(timed_out, ipc_recv(endpoint.index(), message, abi::kPoll));
    CHECK(wait_for_value(caller.done, 1));
    CHECK_EQUAL(caller.error, Error::peer_died);
}

TEST(ipc_adopt) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Caller caller{endpoint.index()};
    start_worker(t, call_once, &caller);
    Message message;
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    auto reply = MUST(Handle<Reply>::take());
    CHECK_ERROR(timed_out, ipc_recv(endpoint.index(), message, abi::kPoll));
    CHECK_EQUAL(caller.done, 0);
    MUST_OK(reply.adopt());
    MUST_OK(ipc_reply(abi::kNoHandle, message));
    CHECK(wait_for_value(caller.done, 1));
    CHECK_EQUAL(caller.error, Error::ok);
}

TEST(ipc_server_dies) {
    auto pool = MUST(t.pool.create_pool(64));
    auto endpoint = MUST(t.pool.create_endpoint());
    Caller caller{endpoint.index()};
    struct Swallow {
        abi::HandleIndex endpoint;
        volatile u64 got = 0;
    } swallow{endpoint.index()};
    Worker server = start_worker(
        t,
        [](void* argument) {
            auto& s = *static_cast<Swallow*>(argument);
            Message message;
            static_cast<void>(ipc_recv(s.endpoint, message));
            s.got = 1;
            for (;;) yield_cpu();
        },
        &swallow);
    Worker client = start_worker(t, call_once, &caller);
    CHECK(wait_for_value(swallow.got, 1));
    CHECK_EQUAL(caller.done, 0);
    MUST_OK(server.thread.destroy());
    CHECK(wait_for_value(caller.done, 1));
    CHECK_EQUAL(caller.error, Error::peer_died);
}

TEST(ipc_waiting_survives_a_servers_death) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Server first{endpoint.index()};
    Worker server = start_worker(t, echo_server, &first);
    CHECK(wait_for_state(server.thread, abi::ThreadState::receiving));
    MUST_OK(server.thread.destroy());
    Caller caller{endpoint.index()};
    Worker client = start_worker(t, call_once, &caller);
    CHECK(wait_for_state(client.thread, abi::ThreadState::calling));
    Server second{endpoint.index()};
    start_worker(t, echo_server, &second);
    CHECK(wait_for_value(caller.done, 1));
    CHECK_EQUAL(caller.error, Error::ok);
    CHECK_EQUAL(second.served, 1);
}

TEST(ipc_endpoint_destroyed) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Caller caller{endpoint.index()};
    Worker client = start_worker(t, call_once, &caller);
    CHECK(wait_for_state(client.thread, abi::ThreadState::calling));
    Server server{MUST(t.pool.create_endpoint()).release()};
    Worker receiver = start_worker(t, echo_server, &server);
    CHECK(wait_for_state(receiver.thread, abi::ThreadState::receiving));
    MUST_OK(endpoint.destroy());
    CHECK(wait_for_value(caller.done, 1));
    CHECK(caller.error != 0);
    MUST_OK(as_result(invoke(abi::Syscall::object_destroy, server.endpoint)));
    CHECK(wait_for_state(receiver.thread, abi::ThreadState::dead));
    CHECK(server.last != Error::ok);
}

TEST(ipc_caller_dies) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Caller caller{endpoint.index()};
    Worker queued = start_worker(t, call_once, &caller);
    CHECK(wait_for_state(queued.thread, abi::ThreadState::calling));
    MUST_OK(queued.thread.destroy());
    Message message;
    CHECK_ERROR(timed_out, ipc_recv(endpoint.index(), message, abi::kPoll));
    Worker served = start_worker(t, call_once, &caller);
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    auto reply = MUST(Handle<Reply>::take());
    MUST_OK(served.thread.destroy());
    CHECK(!reply.send(message).ok());
}

TEST(ipc_capabilities_in_messages) {
    auto endpoint = MUST(t.pool.create_endpoint());
    auto signal = MUST(t.pool.create_signal());
    struct Give {
        abi::HandleIndex endpoint;
        abi::HandleIndex copied;
        abi::HandleIndex moved;
        volatile u64 done = 0;
        Error error = Error::ok;
    } give{endpoint.index(), signal.index(), MUST(signal.copy()).release()};
    start_worker(
        t,
        [](void* argument) {
            auto& g = *static_cast<Give*>(argument);
            Message message;
            message.tag = abi::Tag(2, 0, 2);
            this_buffer().handles[0] = {g.copied, rights(abi::SignalRight::notify), 0, 0};
            this_buffer().handles[1] = {g.moved, abi::kAllRights, abi::kHandleMove, 0};
            g.error = ipc_call(g.endpoint, message);
            g.done = 1;
        },
        &give);
    Message message;
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    CHECK_EQUAL(message.tag.handles(), 2);
    Handle<Signal> copied(this_buffer().handles[0].handle);
    Handle<Signal> moved(this_buffer().handles[1].handle);
    CHECK_EQUAL(this_buffer().handles[0].rights, rights(abi::SignalRight::notify));
    MUST_OK(copied.notify(1));
    CHECK_ERROR(no_right, copied.wait(1, abi::kPoll));
    CHECK_EQUAL(MUST(moved.wait(1, abi::kPoll)), 1);
    Message reply;
    MUST_OK(ipc_reply(abi::kNoHandle, reply));
    CHECK(wait_for_value(give.done, 1));
    CHECK_ERROR(ok, give.error);
    if (moved.index() != give.moved) CHECK_ERROR(bad_handle, invoke(abi::Syscall::cap_info, give.moved));
    // A capability without the right to be copied cannot be sent; the call fails without effect.
    auto fixed = MUST(signal.copy(rights(abi::SignalRight::notify)));
    Message bad;
    bad.tag = abi::Tag(2, 0, 1);
    this_buffer().handles[0] = {fixed.index(), abi::kAllRights, 0, 0};
    CHECK_ERROR(no_right, ipc_call(endpoint.index(), bad, in_milliseconds(5)));
    this_buffer().handles[0] = {12345, abi::kAllRights, 0, 0};
    CHECK_ERROR(bad_handle, ipc_call(endpoint.index(), bad, in_milliseconds(5)));
}

TEST(ipc_many_clients) {
    auto endpoint = MUST(t.pool.create_endpoint());
    Server server{endpoint.index()};
    start_worker(t, echo_server, &server);
    constexpr u32 kClients = 12;
    struct Client {
        abi::HandleIndex endpoint;
        volatile u64 done = 0;
        volatile u64 wrong = 0;
    } clients[kClients];
    for (Client& client : clients) {
        client.endpoint = endpoint.index();
        start_worker(
            t,
            [](void* argument) {
                auto& c = *static_cast<Client*>(argument);
                for (u64 i = 0; i < 200; i++) {
                    Message message;
                    message.words[3] = i;
                    if (ipc_call(c.endpoint, message) != Error::ok || message.words[3] != i + 1)
                        c.wrong = c.wrong + 1;
                    if (i % 16 == 0) yield_cpu();
                }
                c.done = 1;
            },
            &client);
    }
    for (Client& client : clients) {
        CHECK(wait_for_value(client.done, 1));
        CHECK_EQUAL(client.wrong, 0);
    }
    CHECK_EQUAL(server.served, 200 * kClients);
}

}  // namespace pith::test
