// SPDX-License-Identifier: MIT
// Measurements, not tests: instructions of the shortest paths, exact under -icount shift=0. Prints them.
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

constexpr u64 kRounds = 1000;

void report(std::string_view what, u64 nanoseconds) {
    print("measured ");
    print(what);
    print(" ");
    print_number(nanoseconds / kRounds);
    print("\n");
}

void answer(void* argument) {
    const auto endpoint = *static_cast<abi::HandleIndex*>(argument);
    Message message;
    Error error = ipc_recv(endpoint, message);
    while (error == Error::ok) error = ipc_reply_recv(endpoint, message);
}

}  // namespace

TEST(measure_null) {
    const abi::Time start = kernel_clock();
    for (u64 i = 0; i < kRounds; i++) invoke(abi::Syscall::null);
    report("null", kernel_clock() - start);
}

TEST(measure_call) {
    auto endpoint = MUST(t.pool.create_endpoint());
    abi::HandleIndex index = endpoint.index();
    Worker worker = start_worker(t, answer, &index);
    CHECK(wait_for_state(worker.thread, abi::ThreadState::receiving));
    const abi::Time start = kernel_clock();
    for (u64 i = 0; i < kRounds; i++) {
        Message message;
        CHECK_ERROR(ok, ipc_call(index, message));
    }
    report("call and reply", kernel_clock() - start);
}

}  // namespace pith::test
