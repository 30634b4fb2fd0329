// SPDX-License-Identifier: MIT
// Budgets: at most what was granted, overrun is told, and a call lends the caller's.
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

constexpr u64 kMillisecond = 1'000'000;

void spin(void* argument) {
    auto& counter = *static_cast<volatile u64*>(argument);
    for (;;) counter = counter + 1;
}

abi::BudgetParameters limited(u64 capacity, u64 period) {
    return {.capacity = capacity,
            .period = period,
            .cpus = 0xff,
            .ceiling = 255,
            .signal = abi::kNoHandle,
            .signal_bits = 0};
}

/// Waits until so much has been consumed.
bool wait_for_use(const Handle<Budget>& budget, u64 wanted) {
    for (abi::Time end = in_milliseconds(20'000); kernel_clock() < end; yield_cpu())
        if (auto info = budget.budget_info(); info.ok() && info->consumed >= wanted) return true;
    return false;
}

}  // namespace

TEST(budget_errors) {
    auto create = [&](u64 capacity, u64 period, u64 cpus) {
        auto parameters = limited(capacity, period);
        parameters.cpus = cpus;
        return t.pool.create_budget(own_budget(), parameters).error();
    };
    CHECK_ERROR(ok, create(kMillisecond, 10 * kMillisecond, 1));
    CHECK_ERROR(invalid, create(11 * kMillisecond, 10 * kMillisecond, 1));
    CHECK_ERROR(invalid, create(0, 10 * kMillisecond, 1));
    CHECK_ERROR(invalid, create(100, 9'999, 1));
    CHECK_ERROR(invalid, create(kMillisecond, 3'600'000'000'001, 1));
    CHECK(create(kMillisecond, 10 * kMillisecond, 0) != Error::ok);
    auto manage_less = MUST(own_budget().copy(rights(abi::BudgetRight::bind, abi::BudgetRight::info)));
    CHECK_ERROR(no_right, t.pool.create_budget(manage_less, limited(kMillisecond, 10 * kMillisecond)));
}

TEST(budget_is_a_limit) {
    auto budget = MUST(t.pool.create_budget(own_budget(), limited(2 * kMillisecond, 10 * kMillisecond)));
    volatile u64 counter = 0;
    Worker worker = start_worker(t, spin, const_cast<u64*>(&counter),
                                 {.priority = 120, .budget = budget.index()});
    auto signal = MUST(t.pool.create_signal());
    u64 before = MUST(budget.budget_info()).consumed;
    abi::Time start = kernel_clock();
    CHECK_ERROR(timed_out, signal.wait(1, in_milliseconds(100)));
    abi::Time elapsed = kernel_clock() - start;
    u64 used = MUST(budget.budget_info()).consumed - before;
    // Where the host takes the processor away, that time counts too: exact only where time is counted in instructions.
    if (time_is_exact()) CHECK(used >= elapsed * 19 / 100 && used <= elapsed * 23 / 100 + kMillisecond);
    if (time_is_exact()) CHECK(MUST(budget.budget_info()).overruns >= 8);
    // It does go on, period after period.
    CHECK(wait_for_use(budget, 10 * kMillisecond));
    CHECK(MUST(budget.budget_info()).overruns >= 1);
}

TEST(budget_overrun_is_told) {
    auto signal = MUST(t.pool.create_signal());
    auto parameters = limited(kMillisecond, 20 * kMillisecond);
    parameters.signal = signal.index();
    parameters.signal_bits = 0x40;
    auto budget = MUST(t.pool.create_budget(own_budget(), parameters));
    volatile u64 counter = 0;
    start_worker(t, spin, const_cast<u64*>(&counter), {.priority = 120, .budget = budget.index()});
    CHECK_EQUAL(MUST(signal.wait(0x40, in_milliseconds(20000))), 0x40);
}

TEST(budget_reconfigured) {
    auto budget = MUST(t.pool.create_budget(own_budget(), limited(kMillisecond / 2, 20 * kMillisecond)));
    volatile u64 counter = 0;
    start_worker(t, spin, const_cast<u64*>(&counter), {.priority = 120, .budget = budget.index()});
    auto signal = MUST(t.pool.create_signal());
    CHECK_ERROR(timed_out, signal.wait(1, in_milliseconds(5)));
    MUST_OK(budget.configure(limited(8 * kMillisecond, 10 * kMillisecond)));
    CHECK_ERROR(timed_out,
                signal.wait(1, in_milliseconds(25)));  // what is spent is spent, to the period's end
    CHECK(wait_for_use(budget, 40 * kMillisecond));
}

TEST(budget_travels_with_a_call) {
    // A server without a Budget of its own works on its callers', at their priority.
    auto endpoint = MUST(t.pool.create_endpoint());
    struct Serve {
        abi::HandleIndex endpoint;
        volatile u64 served = 0;
    } serve{endpoint.index()};
    Worker server = start_worker(
        t,
        [](void* argument) {
            auto& s = *static_cast<Serve*>(argument);
            Message message;
            Error error = ipc_recv(s.endpoint, message);
            while (error == Error::ok) {
                for (volatile int i = 0; i < 20'000; i = i + 1) {}
                s.served = s.served + 1;
                error = ipc_reply_recv(s.endpoint, message);
            }
        },
        &serve);
    CHECK(wait_for_state(server.thread, abi::ThreadState::receiving));
    auto budget = MUST(t.pool.create_budget(own_budget(), limited(10 * kMillisecond, 10 * kMillisecond)));
    struct Client {
        abi::HandleIndex endpoint;
        volatile u64 done = 0;
    } client{endpoint.index()};
    start_worker(t,
                 [](void* argument) {
                     auto& c = *static_cast<Client*>(argument);
                     for (int i = 0; i < 20; i++) {
                         Message message;
                         static_cast<void>(ipc_call(c.endpoint, message));
                     }
                     c.done = 1;
                 },
                 &client, {.budget = budget.index()});
    u64 before = MUST(server.thread.thread_info()).cpu_time;
    CHECK(wait_for_value(client.done, 1));
    CHECK_EQUAL(serve.served, 20);
    u64 server_time = MUST(server.thread.thread_info()).cpu_time - before;
    CHECK(MUST(budget.budget_info()).consumed >= server_time);
}

TEST(budget_end_does_not_stop_a_server_in_a_call) {
    auto endpoint = MUST(t.pool.create_endpoint());
    struct Serve {
        abi::HandleIndex endpoint;
        volatile u64 served = 0;
    } serve{endpoint.index()};
    start_worker(
        t,
        [](void* argument) {
            auto& s = *static_cast<Serve*>(argument);
            Message message;
            Error error = ipc_recv(s.endpoint, message);
            while (error == Error::ok) {
                abi::Time end = kernel_clock() + 40 * kMillisecond;
                while (kernel_clock() < end) {}
                s.served = s.served + 1;
                error = ipc_reply_recv(s.endpoint, message);
            }
        },
        &serve);
    auto budget = MUST(t.pool.create_budget(own_budget(), limited(20 * kMillisecond, 2000 * kMillisecond)));
    struct Client {
        abi::HandleIndex endpoint;
    } client{endpoint.index()};
    start_worker(t,
                 [](void* argument) {
                     Message message;
                     static_cast<void>(ipc_call(static_cast<Client*>(argument)->endpoint, message));
                 },
                 &client, {.budget = budget.index()});
    abi::Time start = kernel_clock();
    CHECK(wait_for_value(serve.served, 1));
    CHECK(kernel_clock() - start < 1000 * kMillisecond);
    CHECK(MUST(budget.budget_info()).debt > 0);
}

}  // namespace pith::test
