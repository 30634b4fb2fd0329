// SPDX-License-Identifier: MIT
// Calls: from before the client's system call to after it, the server in another address space but in call_same.
// What a server or client does beyond that (checks of what arrived, clearing up) is outside the measured stretch
// where it can be.
#include "bench/ipc/bench.hpp"

namespace pith::bench {
namespace {

constexpr u64 kSignalBit = 1;
constexpr u16 kPlain = 1, kForget = 2, kPrompt = 3;  // operations

/// A server that gets and answers calls without words.
void serve_0w(void* argument) {
    const u64 endpoint = reinterpret_cast<u64>(argument) << 32;
    u64 rax = endpoint | static_cast<u8>(abi::Syscall::recv);
    do {
        u64 tag = 0, deadline = 0;
        asm volatile("syscall"
                     : "+a"(rax), "+D"(tag), "+S"(deadline)
                     :
                     : "rcx", "r11", "rdx", "r10", "r8", "r9", "r12", "r13", "r14", "r15", "memory");
        if (static_cast<u32>(rax) != 0) break;
        rax = endpoint | static_cast<u8>(abi::Syscall::reply_recv);
    } while (true);
    panic("a server failed");
}

/// The time of a call without words.
u64 time_0w(abi::HandleIndex endpoint, abi::Time until) {
    const u64 handle = u64{endpoint} << 32;
    const u64 start = ticks();
    u64 rax = handle | static_cast<u8>(abi::Syscall::call);
    u64 tag = 0, deadline = until;
    asm volatile("syscall"
                 : "+a"(rax), "+D"(tag), "+S"(deadline)
                 :
                 : "rcx", "r11", "rdx", "r10", "r8", "r9", "r12", "r13", "r14", "r15", "memory");
    const u64 end = ticks();
    must(static_cast<Error>(rax), "a call failed");
    return end - start;
}

/// Gives each message back: its words in registers and as many of the buffer as came.
void serve_echo(void* argument) {
    const auto endpoint = static_cast<abi::HandleIndex>(reinterpret_cast<u64>(argument));
    Message message;
    Error error = ipc_recv(endpoint, message);
    while (error == Error::ok) error = ipc_reply_recv(endpoint, message);
    panic("a server failed");
}

void* as_argument(abi::HandleIndex handle) { return reinterpret_cast<void*>(u64{handle}); }

/// Calls without words, the server as the options say.
void measure_0w(Context& c, const char* name, const Domain* domain, const PartnerOptions& options = {},
                abi::Time deadline = abi::kNoDeadline) {
    const auto endpoint = must(c.pool.create_endpoint(), "no Endpoint");
    const abi::HandleIndex at_server = domain != nullptr ? domain->give(endpoint) : endpoint.index();
    const Partner server(c.pool, domain, serve_0w, as_argument(at_server), options);
    server.wait_for(abi::ThreadState::receiving);
    measure(name, [&] { return time_0w(endpoint.index(), deadline); });
}

/// Calls with eight words in registers and `count` in the buffer, there and back.
void measure_words(Context& c, const char* name, u32 count) {
    const auto endpoint = must(c.pool.create_endpoint(), "no Endpoint");
    const Partner server(c.pool, &c.other, serve_echo, as_argument(c.other.give(endpoint)));
    server.wait_for(abi::ThreadState::receiving);
    u64 number = 0;
    measure(name, [&] {
        Message message;
        message.tag = abi::Tag(kPlain, count);
        for (u64& word : message.words) word = ++number;
        for (u32 i = 0; i < count; i++) this_buffer().words[i] = ++number;
        const u64 first = message.words[0];
        const u64 start = ticks();
        const Error error = ipc_call(endpoint.index(), message);
        const u64 end = ticks();
        must(error, "a call failed");
        for (u64 i = 0; i < abi::kRegisterWords; i++)
            if (message.words[i] != first + i) panic("a word in a register was lost");
        for (u32 i = 0; i < count; i++)
            if (this_buffer().words[i] != first + abi::kRegisterWords + i) panic("a word was lost");
        if (message.tag.buffer_words() != count) panic("the count of words was lost");
        return end - start;
    });
}

/// Keeps the capability of a call, and deletes it when it is asked to.
void serve_capabilities(void* argument) {
    const auto endpoint = static_cast<abi::HandleIndex>(reinterpret_cast<u64>(argument));
    abi::HandleIndex got = abi::kNoHandle;
    Message message;
    Error error = ipc_recv(endpoint, message);
    while (error == Error::ok) {
        if (message.tag.operation() == kForget) {
            must(invoke(abi::Syscall::cap_delete, got).error, "no capability came");
        } else {
            got = this_buffer().handles[0].handle;
        }
        message.tag = abi::Tag(0, 0);
        error = ipc_reply_recv(endpoint, message);
    }
    panic("a server failed");
}

/// A server with a Signal bound to it, which it sets in the middle of each call that asks for that.
struct SignalServer {
    abi::HandleIndex endpoint;
    abi::HandleIndex signal;
};

void serve_and_notify(void* argument) {
    const auto server = *static_cast<SignalServer*>(argument);
    Message message;
    Error error = ipc_recv(server.endpoint, message);
    while (error == Error::ok) {
        if (message.tag.from_kernel()) {
            error = ipc_recv(server.endpoint, message);
            continue;
        }
        if (message.tag.operation() == kPrompt)
            must(invoke(abi::Syscall::signal_notify, server.signal, kSignalBit).error, "cannot notify");
        message.tag = abi::Tag(0, 0);
        error = ipc_reply_recv(server.endpoint, message);
    }
    panic("a server failed");
}

/// A less urgent client, which calls whenever its Signal is set.
struct PromptClient {
    abi::HandleIndex endpoint;
    abi::HandleIndex signal;
};

void call_when_asked(void* argument) {
    const auto client = *static_cast<PromptClient*>(argument);
    for (;;) {
        must(invoke(abi::Syscall::signal_wait, client.signal, kSignalBit).error, "cannot wait");
        Message message;
        message.tag = abi::Tag(kPrompt, 0);
        must(ipc_call(client.endpoint, message), "the other client's call failed");
    }
}

}  // namespace

void null(Context&) {
    measure("null", [] {
        const u64 start = ticks();
        u64 rax = static_cast<u8>(abi::Syscall::null);
        asm volatile("syscall" : "+a"(rax) : : "rcx", "r11", "rdx", "r10", "r8", "memory");
        const u64 end = ticks();
        must(static_cast<Error>(rax), "the null call failed");
        return end - start;
    });
}

void call_0w(Context& c) { measure_0w(c, "call_0w", &c.other); }
void call_same(Context& c) { measure_0w(c, "call_same", nullptr); }
void call_low(Context& c) { measure_0w(c, "call_low", &c.other, {.priority = kPriority / 2}); }
void call_xcpu(Context& c) { measure_0w(c, "call_xcpu", &c.other, {.cpu = 1}); }
void call_deadline(Context& c) {
    constexpr u64 kHour = 3'600'000'000'000;
    measure_0w(c, "call_deadline", &c.other, {}, kernel_clock() + kHour);
}
void call_8w(Context& c) { measure_words(c, "call_8w", 0); }
void call_9w(Context& c) { measure_words(c, "call_9w", 1); }
void call_64w(Context& c) { measure_words(c, "call_64w", abi::kBufferWords); }

void call_cap(Context& c) {
    const auto endpoint = must(c.pool.create_endpoint(), "no Endpoint");
    const auto signal = must(c.pool.create_signal(), "no Signal");
    const Partner server(c.pool, &c.other, serve_capabilities, as_argument(c.other.give(endpoint)));
    server.wait_for(abi::ThreadState::receiving);
    measure("call_cap", [&] {
        Message message;
        message.tag = abi::Tag(kPlain, 0, 1);
        this_buffer().handles[0] = {signal.index(), abi::kAllRights, 0, 0};
        const u64 start = ticks();
        const Error error = ipc_call(endpoint.index(), message);
        const u64 end = ticks();
        must(error, "a call failed");
        Message forget;
        forget.tag = abi::Tag(kForget, 0);
        must(ipc_call(endpoint.index(), forget), "a call failed");
        return end - start;
    });
}

/// The server sets its own Signal before it answers: its reply_recv answers and gets the Signal's bits; then it waits
/// again, and the client goes on.
void call_bound_signal(Context& c) {
    const auto endpoint = must(c.pool.create_endpoint(), "no Endpoint");
    const auto signal = must(c.pool.create_signal(), "no Signal");
    SignalServer server{c.other.give(endpoint), c.other.give(signal)};
    const Partner partner(c.pool, &c.other, serve_and_notify, &server);
    must(partner.thread().bind_signal(signal), "cannot bind a Signal");
    partner.wait_for(abi::ThreadState::receiving);
    measure("call_bound_signal", [&] {
        Message message;
        message.tag = abi::Tag(kPrompt, 0);
        const u64 start = ticks();
        const Error error = ipc_call(endpoint.index(), message);
        const u64 end = ticks();
        must(error, "a call failed");
        return end - start;
    });
}

/// Another client's call makes the server set the Signal that this thread waits for; being more urgent, it runs at once, and
/// calls a server that has not answered yet. Until this call is answered the server finishes the other one.
void call_busy(Context& c) {
    const auto endpoint = must(c.pool.create_endpoint(), "no Endpoint");
    const auto woken = must(c.pool.create_signal(), "no Signal");
    const auto prompt = must(c.pool.create_signal(), "no Signal");
    constexpr u8 kLess = kPriority / 2;
    SignalServer server{c.other.give(endpoint), c.other.give(woken)};
    const Partner partner(c.pool, &c.other, serve_and_notify, &server, {.priority = kLess});
    partner.wait_for(abi::ThreadState::receiving);
    Domain third(c.pool);
    PromptClient client{third.give(endpoint), third.give(prompt)};
    const Partner other_client(c.pool, &third, call_when_asked, &client, {.priority = kLess});
    other_client.wait_for(abi::ThreadState::waiting);
    measure("call_busy", [&] {
        must(prompt.notify(kSignalBit), "cannot notify");
        static_cast<void>(must(woken.wait(kSignalBit), "cannot wait"));
        const u64 time = time_0w(endpoint.index(), abi::kNoDeadline);
        // The other client goes on only when this thread sleeps.
        other_client.wait_for(abi::ThreadState::waiting);
        return time;
    });
}

}  // namespace pith::bench
