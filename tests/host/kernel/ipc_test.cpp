// SPDX-License-Identifier: MIT
// Messages: every way in which a call, send, recv, reply, take_reply and adopt can go, on one CPU and between two.
#include "tests/host/kernel/fixture.hpp"

namespace pith::test {
namespace {

/// The partners' CPUs: the same, or two.
class IpcTest : public KernelTest, public ::testing::WithParamInterface<std::pair<u32, u32>> {
  protected:
    void SetUp() override {
        KernelTest::SetUp();
        e = endpoint();
        server = actor({.cpu = GetParam().first, .priority = 120});
        client = actor({.cpu = GetParam().second, .priority = 100});
    }
    // On a shared CPU the server has to be blocked before the client runs.
    Answer recv(abi::Time deadline = 0) {
        return as(server, message(Syscall::recv, e, {.deadline = deadline}));
    }

    Actor full_actor();

    HandleIndex e = 0;
    Actor server, client;
};

INSTANTIATE_TEST_SUITE_P(Cpus, IpcTest,
                         ::testing::Values(std::pair<u32, u32>{1, 1}, std::pair<u32, u32>{1, 2}));

TEST_P(IpcTest, CallAndReply) {
    EXPECT_TRUE(recv().blocked);
    HandleIndex badged = copy(e, abi::kAllRights, 0xbad9e);
    EXPECT_TRUE(
        as(client, message(Syscall::call, badged, {.operation = 42, .words = {1, 2, 3, 4, 5, 6, 7, 8}}))
            .blocked);
    Answer got = sim.answer(*server.thread);
    EXPECT_FALSE(got.blocked);
    EXPECT_EQ(got.error, Error::ok);
    EXPECT_EQ(got.badge, 0xbad9eu);
    EXPECT_EQ(abi::Tag(got.tag).operation(), 42);
    EXPECT_EQ(got.words, (std::array<u64, 8>{1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_TRUE(
        as(server, message(Syscall::reply_recv, e, {.operation = 7, .words = {8, 7, 6, 5, 4, 3, 2, 1}}))
            .blocked);
    got = sim.answer(*client.thread);
    EXPECT_FALSE(got.blocked);
    EXPECT_EQ(got.error, Error::ok);
    EXPECT_EQ(got.badge, 0u);
    EXPECT_EQ(abi::Tag(got.tag).operation(), 7);
    EXPECT_EQ(got.words, (std::array<u64, 8>{8, 7, 6, 5, 4, 3, 2, 1}));
}

TEST_P(IpcTest, BufferedWords) {
    EXPECT_TRUE(recv().blocked);
    std::vector<u64> data(64);
    for (u64 i = 0; i < 64; i++) data[i] = i * i;
    EXPECT_TRUE(as(client, message(Syscall::call, e, {.operation = 1, .data = data})).blocked);
    EXPECT_EQ(abi::Tag(sim.answer(*server.thread).tag).buffer_words(), 64u);
    EXPECT_TRUE(std::equal(data.begin(), data.end(), server.thread->buffer->words));
    EXPECT_EQ(as(server, message(Syscall::reply, 0, {.data = {5}})).error, Error::ok);
    EXPECT_EQ(client.thread->buffer->words[0], 5u);
    EXPECT_EQ(client.thread->buffer->words[1], 1u);
}

TEST_P(IpcTest, KernelBitIsTheKernelsAlone) {
    EXPECT_TRUE(recv().blocked);
    Call forged = message(Syscall::call, e, {.operation = 1});
    forged.tag |= abi::kTagKernel;
    as(client, forged);
    EXPECT_FALSE(abi::Tag(sim.answer(*server.thread).tag).from_kernel());
    Call reply = message(Syscall::reply, 0);
    reply.tag |= abi::kTagKernel;
    EXPECT_EQ(as(server, reply).error, Error::ok);
    EXPECT_FALSE(abi::Tag(sim.answer(*client.thread).tag).from_kernel());
}

TEST_P(IpcTest, CapabilitiesAreCopiedAndMoved) {
    HandleIndex s = signal(), moved = endpoint();
    HandleIndex child = copy(moved);
    EXPECT_TRUE(recv().blocked);
    as(client,
       message(Syscall::call, e,
               {.handles = {{.handle = s, .rights = 1}, {.handle = moved, .flags = abi::kHandleMove}}}));
    Answer got = sim.answer(*server.thread);
    ASSERT_EQ(abi::Tag(got.tag).handles(), 2u);
    auto* handles = server.thread->buffer->handles;
    EXPECT_EQ(handles[0].rights, 1);
    EXPECT_EQ(root(Syscall::cap_info, handles[0].handle).r1, 1u);
    EXPECT_EQ(root(Syscall::cap_info, s).error, Error::ok);
    EXPECT_EQ(root(Syscall::cap_info, moved).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_info, handles[1].handle).r1, u64{abi::kAllRights});
    ok(Syscall::cap_revoke, handles[1].handle);
    EXPECT_EQ(root(Syscall::cap_info, child).error, Error::bad_handle);
}

TEST_P(IpcTest, BadMessages) {
    EXPECT_TRUE(recv().blocked);
    HandleIndex no_copy = copy(signal(), 1);
    EXPECT_EQ(as(client, message(Syscall::call, e, {.handles = {{.handle = 9999}}})).error,
              Error::bad_handle);
    EXPECT_EQ(as(client, message(Syscall::call, e, {.handles = {{.handle = no_copy}}})).error,
              Error::no_right);
    Call long_one = message(Syscall::call, e);
    long_one.tag |= u64{65} << 16;
    EXPECT_EQ(as(client, long_one).error, Error::invalid);
    Call many = message(Syscall::call, e);
    many.tag |= u64{5} << 24;
    EXPECT_EQ(as(client, many).error, Error::invalid);
    EXPECT_EQ(server.thread->state, core::State::receiving);
    EXPECT_EQ(as(client, message(Syscall::call, copy(e, 2))).error, Error::no_right);
    EXPECT_EQ(as(client, message(Syscall::recv, copy(e, 1))).error, Error::no_right);
}

TEST_P(IpcTest, Send) {
    EXPECT_TRUE(recv().blocked);
    as(client, message(Syscall::send, e, {.operation = 3, .words = {9}}));
    EXPECT_EQ(sim.answer(*server.thread).words[0], 9u);
    EXPECT_FALSE(sim.answer(*client.thread).blocked);
    EXPECT_EQ(as(server, message(Syscall::reply, 0)).error == Error::ok, false);
    EXPECT_EQ(as(server, {.number = Syscall::take_reply}).error, Error::bad_state);
}

TEST_P(IpcTest, QueuedSenderWaits) {
    ok(Syscall::thread_stop, server.handle);
    EXPECT_TRUE(as(client, message(Syscall::send, e, {.operation = 3, .words = {9}})).blocked);
    ok(Syscall::thread_continue, server.handle);
    EXPECT_FALSE(recv().blocked);
    EXPECT_EQ(sim.answer(*server.thread).words[0], 9u);
    EXPECT_FALSE(sim.answer(*client.thread).blocked);
    EXPECT_EQ(sim.answer(*client.thread).error, Error::ok);
}

TEST_P(IpcTest, Deadlines) {
    EXPECT_EQ(recv(abi::kPoll).error, Error::timed_out);
    auto now = arch::fake::machine().now;
    EXPECT_TRUE(recv(now + 1000).blocked);
    sim.advance(999);
    EXPECT_TRUE(sim.answer(*server.thread).blocked);
    sim.advance(2);
    EXPECT_FALSE(sim.answer(*server.thread).blocked);
    EXPECT_EQ(sim.answer(*server.thread).error, Error::timed_out);
}

TEST_P(IpcTest, CallTimesOutBeforeDelivery) {
    ok(Syscall::thread_stop, server.handle);
    EXPECT_EQ(as(client, message(Syscall::call, e, {.deadline = abi::kPoll})).error, Error::timed_out);
    EXPECT_TRUE(as(client, message(Syscall::call, e, {.deadline = arch::fake::machine().now + 500})).blocked);
    sim.advance(501);
    EXPECT_EQ(sim.answer(*client.thread).error, Error::timed_out);
    ok(Syscall::thread_continue, server.handle);
    EXPECT_EQ(recv(abi::kPoll).error, Error::timed_out);
}

TEST_P(IpcTest, CallTimesOutAfterDelivery) {
    EXPECT_TRUE(recv().blocked);
    as(client, message(Syscall::call, e, {.deadline = arch::fake::machine().now + 500}));
    Answer taken = as(server, {.number = Syscall::take_reply});
    EXPECT_EQ(taken.error, Error::ok);
    sim.advance(501);
    EXPECT_EQ(sim.answer(*client.thread).error, Error::timed_out);
    EXPECT_EQ(as(server, message(Syscall::reply, static_cast<HandleIndex>(taken.r0))).error,
              Error::not_found);
    root(Syscall::cap_delete, static_cast<HandleIndex>(taken.r0));
}

TEST_P(IpcTest, ReplyCapabilityAnswersOnce) {
    EXPECT_TRUE(recv().blocked);
    as(client, message(Syscall::call, e));
    auto reply = static_cast<HandleIndex>(as(server, {.number = Syscall::take_reply}).r0);
    EXPECT_EQ(root(Syscall::cap_info, reply).r0, static_cast<u64>(abi::ObjectType::reply));
    EXPECT_EQ(as(server, {.number = Syscall::take_reply}).error, Error::bad_state);
    EXPECT_EQ(root(Syscall::cap_copy, reply, {0, 0, abi::kAllRights, 0}).error, Error::no_right);
    EXPECT_EQ(root(Syscall::cap_revoke, reply).error, Error::ok);
    EXPECT_EQ(as(server, message(Syscall::reply, reply, {.words = {3}})).error, Error::ok);
    EXPECT_EQ(sim.answer(*client.thread).words[0], 3u);
    EXPECT_EQ(root(Syscall::cap_info, reply).error, Error::bad_handle);
}

TEST_P(IpcTest, DeletedReplyIsADeath) {
    EXPECT_TRUE(recv().blocked);
    as(client, message(Syscall::call, e));
    auto reply = static_cast<HandleIndex>(as(server, {.number = Syscall::take_reply}).r0);
    ok(Syscall::cap_delete, reply);
    EXPECT_EQ(sim.answer(*client.thread).error, Error::peer_died);
    EXPECT_FALSE(sim.answer(*client.thread).blocked);
}

TEST_P(IpcTest, ReceivingAnewWithoutAnAnswerIsADeath) {
    EXPECT_TRUE(recv().blocked);
    as(client, message(Syscall::call, e));
    EXPECT_TRUE(recv().blocked);
    EXPECT_FALSE(sim.answer(*client.thread).blocked);
    EXPECT_EQ(sim.answer(*client.thread).error, Error::peer_died);
}

TEST_P(IpcTest, ServerDies) {
    EXPECT_TRUE(recv().blocked);
    as(client, message(Syscall::call, e));
    ok(Syscall::object_destroy, server.handle);
    EXPECT_EQ(sim.answer(*client.thread).error, Error::peer_died);
    // A new thread at the same Endpoint goes on.
    EXPECT_TRUE(as(client, message(Syscall::call, e, {.words = {5}})).blocked);
    server = actor({.cpu = 3, .priority = 120});
    EXPECT_FALSE(recv().blocked);
    EXPECT_EQ(sim.answer(*server.thread).words[0], 5u);
}

TEST_P(IpcTest, ClientDies) {
    EXPECT_TRUE(recv().blocked);
    as(client, message(Syscall::call, e));
    auto reply = static_cast<HandleIndex>(as(server, {.number = Syscall::take_reply}).r0);
    ok(Syscall::object_destroy, client.handle);
    Error error = as(server, message(Syscall::reply, reply)).error;
    EXPECT_TRUE(error == Error::not_found || error == Error::bad_handle) << static_cast<int>(error);
    root(Syscall::cap_delete, reply);
    client = actor({.cpu = 3});
    EXPECT_TRUE(recv().blocked);
    as(client, message(Syscall::call, e));
    ok(Syscall::object_destroy, client.handle);
    EXPECT_EQ(as(server, message(Syscall::reply, 0)).error == Error::ok, false);
}

TEST_P(IpcTest, EndpointDies) {
    EXPECT_TRUE(recv().blocked);
    ok(Syscall::object_destroy, e);
    EXPECT_EQ(sim.answer(*server.thread).error, Error::cancelled);
    e = endpoint();
    ok(Syscall::thread_stop, server.handle);
    EXPECT_TRUE(as(client, message(Syscall::call, e)).blocked);
    ok(Syscall::object_destroy, e);
    EXPECT_EQ(sim.answer(*client.thread).error, Error::peer_died);
    EXPECT_EQ(as(client, message(Syscall::call, e)).error, Error::bad_handle);
    ok(Syscall::thread_continue, server.handle);
}

TEST_P(IpcTest, MovedReplyIsAnsweredByAnother) {
    EXPECT_TRUE(recv().blocked);
    as(client, message(Syscall::call, e));
    auto reply = static_cast<HandleIndex>(as(server, {.number = Syscall::take_reply}).r0);
    HandleIndex inner = endpoint();
    Actor worker = actor({.cpu = 3});
    EXPECT_TRUE(as(worker, message(Syscall::recv, inner)).blocked);
    EXPECT_EQ(as(server, message(Syscall::send, inner, {.handles = {{.handle = reply}}})).error,
              Error::no_right);
    as(server, message(Syscall::send, inner, {.handles = {{.handle = reply, .flags = abi::kHandleMove}}}));
    HandleIndex arrived = worker.thread->buffer->handles[0].handle;
    EXPECT_EQ(as(worker, {.number = Syscall::adopt, .handle = arrived}).error, Error::ok);
    EXPECT_EQ(worker.thread->priority, 100);
    EXPECT_EQ(as(worker, {.number = Syscall::adopt, .handle = arrived}).error, Error::bad_handle);
    EXPECT_EQ(as(worker, message(Syscall::reply, 0, {.words = {77}})).error, Error::ok);
    EXPECT_EQ(sim.answer(*client.thread).words[0], 77u);
}

/// A thread on CPU 3 whose table is full; slot 1 holds the Endpoint `e`.
Actor IpcTest::full_actor() {
    HandleIndex tiny = pool(8);
    auto table = static_cast<HandleIndex>(ok(Syscall::captable_create, tiny, {1}));
    while (root(Syscall::endpoint_create, tiny).error == Error::ok) {}
    while (root(Syscall::cap_copy, e, {table, 0, abi::kAllRights, 0}).error == Error::ok) {}
    return actor({.cpu = 3, .priority = 110, .captable = table, .buffer_offset = 1024});
}

TEST_P(IpcTest, NoSlotForCapabilities) {
    Actor full = full_actor();
    ASSERT_TRUE(as(full, message(Syscall::recv, 1)).blocked);
    const auto before = sim.answer(*full.thread).words;
    full.thread->buffer->words[0] = 5;
    HandleIndex moved = signal();
    Send send{.words = {1, 2, 3}, .data = {6}, .handles = {{.handle = moved, .flags = abi::kHandleMove}}};
    EXPECT_EQ(as(server, message(Syscall::call, e, send)).error, Error::no_slot);
    EXPECT_EQ(full.thread->state, core::State::receiving);
    // Nothing has happened: neither here, nor there.
    EXPECT_EQ(root(Syscall::cap_info, moved).error, Error::ok);
    EXPECT_EQ(sim.answer(*full.thread).words, before);
    EXPECT_EQ(full.thread->buffer->words[0], 5u);
}

TEST_P(IpcTest, NoSlotForCapabilitiesInAnAnswer) {
    Actor full = full_actor();
    ASSERT_TRUE(recv().blocked);
    ASSERT_TRUE(as(full, message(Syscall::call, 1, {.operation = 1})).blocked);
    HandleIndex copied = signal(), moved = copy(copied), child = copy(moved);
    Send answer{.handles = {{.handle = copied}, {.handle = moved, .flags = abi::kHandleMove}}};
    EXPECT_EQ(as(server, message(Syscall::reply, 0, answer)).error, Error::ok);
    EXPECT_EQ(sim.answer(*full.thread).error, Error::no_slot);
    // The answer was given: what it moved has left its sender, and is nowhere.
    EXPECT_EQ(root(Syscall::cap_info, copied).error, Error::ok);
    EXPECT_EQ(root(Syscall::cap_info, child).error, Error::ok);
    EXPECT_EQ(root(Syscall::cap_info, moved).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_delete, moved).error, Error::bad_handle);  // the slot is free
}

TEST_P(IpcTest, NoSlotForAReplyInAnAnswer) {
    Actor full = full_actor();
    ASSERT_TRUE(recv().blocked);
    ASSERT_TRUE(as(client, message(Syscall::call, e)).blocked);
    auto reply = static_cast<HandleIndex>(as(server, {.number = Syscall::take_reply}).r0);
    ASSERT_TRUE(recv().blocked);
    ASSERT_TRUE(as(full, message(Syscall::call, 1)).blocked);
    Send answer{.handles = {{.handle = reply, .flags = abi::kHandleMove}}};
    EXPECT_EQ(as(server, message(Syscall::reply, 0, answer)).error, Error::ok);
    EXPECT_EQ(sim.answer(*full.thread).error, Error::no_slot);
    EXPECT_EQ(sim.answer(*client.thread).error, Error::peer_died);  // its Reply is nowhere
    EXPECT_FALSE(sim.answer(*client.thread).blocked);
}

TEST_P(IpcTest, SignalsComeWithMessages) {
    HandleIndex s = signal();
    ok(Syscall::thread_bind_signal, server.handle, {s});
    EXPECT_TRUE(recv().blocked);
    ok(Syscall::signal_notify, s, {0x30});
    Answer got = sim.answer(*server.thread);
    EXPECT_FALSE(got.blocked);
    EXPECT_TRUE(abi::Tag(got.tag).from_kernel());
    EXPECT_EQ(abi::Tag(got.tag).operation(), static_cast<u16>(abi::Event::signal));
    EXPECT_EQ(got.words[0], 0x30u);
    ok(Syscall::signal_notify, s, {1});
    ok(Syscall::signal_notify, s, {4});
    EXPECT_FALSE(recv().blocked);
    EXPECT_EQ(sim.answer(*server.thread).words[0], 5u);
    EXPECT_TRUE(recv().blocked);
    Actor other = actor({.cpu = 3});
    EXPECT_EQ(root(Syscall::thread_bind_signal, other.handle, {s}).error, Error::busy);
    ok(Syscall::thread_bind_signal, server.handle, {0});
    ok(Syscall::thread_bind_signal, other.handle, {s});
}

TEST_P(IpcTest, WaitOnASignal) {
    HandleIndex s = signal();
    EXPECT_EQ(as(server, {.number = Syscall::signal_wait, .handle = s, .a = {~u64{0}, abi::kPoll}}).error,
              Error::timed_out);
    EXPECT_TRUE(as(server, {.number = Syscall::signal_wait, .handle = s, .a = {6, 0}}).blocked);
    ok(Syscall::signal_notify, s, {1});
    EXPECT_TRUE(sim.answer(*server.thread).blocked);
    EXPECT_EQ(as(client, {.number = Syscall::signal_wait, .handle = s, .a = {8, 0}}).error, Error::busy);
    ok(Syscall::signal_notify, s, {2 | 8});
    EXPECT_EQ(sim.answer(*server.thread).r0, 2u);
    EXPECT_EQ(as(server, {.number = Syscall::signal_wait, .handle = s, .a = {~u64{0}, abi::kPoll}}).r0, 9u);
    EXPECT_TRUE(as(server, {.number = Syscall::signal_wait, .handle = s, .a = {1, 0}}).blocked);
    ok(Syscall::object_destroy, s);
    EXPECT_EQ(sim.answer(*server.thread).error, Error::cancelled);
}

TEST_P(IpcTest, QueuedCallersComeInOrder) {
    ok(Syscall::thread_stop, server.handle);
    std::vector<Actor> clients;
    u8 priorities[] = {50, 80, 50, 90, 80};
    for (u64 i = 0; i < 5; i++) {
        clients.push_back(actor({.cpu = GetParam().first, .priority = priorities[i]}));
        if (!runs(clients.back())) ok(Syscall::thread_stop, client.handle);
        EXPECT_TRUE(as(clients.back(), message(Syscall::call, e, {.words = {i}})).blocked);
    }
    ok(Syscall::thread_continue, server.handle);
    if (runs(client)) ok(Syscall::thread_stop, client.handle);
    std::vector<u64> order;
    EXPECT_FALSE(recv().blocked);
    for (int i = 0; i < 5; i++) {
        order.push_back(sim.answer(*server.thread).words[0]);
        as(server, message(Syscall::reply_recv, e));
        if (server.thread->state == core::State::receiving) break;
        for (usize stopped = 0; stopped < clients.size() && !runs(server); stopped++)
            for (auto& c : clients)
                if (runs(c)) ok(Syscall::thread_stop, c.handle);
    }
    EXPECT_EQ(order, (std::vector<u64>{3, 1, 4, 0, 2}));
}

}  // namespace
}  // namespace pith::test
