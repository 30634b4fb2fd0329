// SPDX-License-Identifier: MIT
// Loads of the benchmark of latency (see the header).
#include "bench/ipc/loads.hpp"

#include <algorithm>

namespace pith::bench {
namespace {

constexpr u32 kReadWrite = abi::kMapRead | abi::kMapWrite;
constexpr u64 kObjectPages = 7000;      // enough for kObjects Signals
constexpr u64 kMappedBytes = 4u << 20;  // of the Memory that is mapped again and again
constexpr u32 kCalls = 2'000;           // of each kind
constexpr u64 kForkBytes = 4u << 20;
constexpr u32 kForks = 12;
constexpr u64 kRunBytes = 8u << 20;

void delete_capability(abi::HandleIndex handle) {
    must(invoke(abi::Syscall::cap_delete, handle, abi::kNoHandle).error, "cannot give a slot up");
}

abi::HandleIndex copy_of(abi::HandleIndex handle) {
    const SyscallResult result = invoke(abi::Syscall::cap_copy, handle, abi::kNoHandle, 0, abi::kAllRights,
                                        0);
    must(result.error, "cannot copy a capability");
    return static_cast<abi::HandleIndex>(result.r0);
}

/// Keeps a capability that comes until the next message.
void serve_load(void* argument) {
    const auto endpoint = static_cast<abi::HandleIndex>(reinterpret_cast<u64>(argument));
    Message message;
    Error error = ipc_recv(endpoint, message);
    while (error == Error::ok) {
        if (message.tag.handles() != 0) delete_capability(this_buffer().handles[0].handle);
        message.tag = abi::Tag(0, message.tag.buffer_words());
        error = ipc_reply_recv(endpoint, message);
    }
    panic("a server failed");
}

/// Revokes what was derived from the capability, and gives up the slots.
void revoke_taken(Loads& loads, const Handle<Endpoint>& endpoint) {
    must(endpoint.revoke(), "cannot revoke");
    for (u32 i = 0; i < kDerived; i++) delete_capability(loads.taken[i]);
}

}  // namespace

Loads::Loads(const Handle<Pool>& from, u32 on_cpu)
    : pool(from),
      cpu(on_cpu),
      window(take_addresses(kUnmapped)),
      numbers(must(from.create_memory(kDerived * sizeof(*taken)), "no Memory")) {
    const u64 size = (kDerived * sizeof(*taken) + abi::kPageSize - 1) & ~(abi::kPageSize - 1);
    const u64 address = take_addresses(size);
    must(own_space().map(address, numbers, 0, size, kReadWrite), "cannot map a load");
    taken = reinterpret_cast<abi::HandleIndex*>(address);
}

void load_destroy(Loads& loads) {
    auto pool = must(loads.pool.create_pool(kObjectPages), "no Pool for a load");
    // The Signal stays when its only capability is deleted.
    for (u32 i = 0; i < kObjects; i++) static_cast<void>(must(pool.create_signal(), "no Signal"));
    must(pool.destroy(), "cannot destroy a Pool");
}

void load_unmap(Loads& loads) {
    Owned<Memory> memory(must(loads.pool.create_memory(kMappedBytes), "no Memory"));
    for (u64 done = 0; done < kUnmapped; done += kMappedBytes)
        must(own_space().map(loads.window + done, memory, 0, kMappedBytes, kReadWrite), "cannot map a load");
    must(own_space().unmap(loads.window, kUnmapped), "cannot unmap");
}

void load_revoke(Loads& loads) {
    Owned<Endpoint> endpoint(must(loads.pool.create_endpoint(), "no Endpoint"));
    for (u32 i = 0; i < kDerived; i++) loads.taken[i] = copy_of(endpoint.index());
    revoke_taken(loads, endpoint);
    for (u32 i = 0; i < kDerived; i++)
        loads.taken[i] = copy_of(i == 0 ? endpoint.index() : loads.taken[i - 1]);
    revoke_taken(loads, endpoint);
}

void load_calls(Loads& loads) {
    auto pool = must(loads.pool.create_pool(64), "no Pool for a load");
    const auto endpoint = must(pool.create_endpoint(), "no Endpoint");
    const auto signal = must(pool.create_signal(), "no Signal");
    const Partner server(pool, nullptr, serve_load, reinterpret_cast<void*>(u64{endpoint.index()}),
                         {.priority = kPriority - 1, .cpu = loads.cpu});
    server.wait_for(abi::ThreadState::receiving);
    for (u32 i = 0; i < kCalls; i++) {
        Message plain, words, capability;
        words.tag = abi::Tag(0, abi::kBufferWords);
        capability.tag = abi::Tag(0, 0, 1);
        must(ipc_call(endpoint.index(), plain), "a call failed");
        must(ipc_call(endpoint.index(), words), "a call failed");
        this_buffer().handles[0] = {signal.index(), abi::kAllRights, 0, 0};
        must(ipc_call(endpoint.index(), capability), "a call failed");
    }
    must(pool.destroy(), "cannot destroy a Pool");
}

void load_fork(Loads& loads) {
    Owned<Memory> memory(must(loads.pool.create_memory(kForkBytes), "no Memory"));
    Owned<Space> parent(must(loads.pool.create_space(), "no Space"));
    must(parent.map(loads.window, memory, 0, kForkBytes, kReadWrite), "cannot map a load");
    for (u32 i = 0; i < kForks; i++) {
        Owned<Space> child(must(loads.pool.create_space(), "no Space"));
        // Found last of all in its tables, when they are given back.
        must(child.map(abi::kUserTop - abi::kPageSize, memory, 0, abi::kPageSize, abi::kMapRead),
             "cannot map at the end");
        must(child.share(parent, loads.window, kForkBytes, abi::kMapRead, abi::kMapRead), "cannot share");
        must(parent.protect(loads.window, kForkBytes, kReadWrite), "cannot protect");
    }
}

void load_run(Loads& loads) {
    Owned<Memory> run(must(loads.pool.create_memory(kRunBytes, abi::kMemoryContiguous), "no run of frames"));
}

}  // namespace pith::bench
