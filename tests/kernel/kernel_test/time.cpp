// SPDX-License-Identifier: MIT
// Predictability: a Budget's share, who pays for a server, priorities along chains of calls, deadlines. Times are compared only
// where they are exact (time_is_exact); what must happen at all is checked everywhere: a spinner of a middle
// priority runs until the end of a test, so what it may not delay would never happen if it did.
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

constexpr u64 kMicrosecond = 1000;
constexpr u64 kMillisecond = 1'000'000;
constexpr u64 kPatience = 20'000;  // milliseconds

#define CHECK_AROUND(value, wanted, margin)                                                            \
    do {                                                                                               \
        const u64 around = (value);                                                                    \
        if (around + (margin) < (wanted) || around > (wanted) + (margin)) CHECK_EQUAL(around, wanted); \
    } while (false)

u32 other_cpu(u32 n) { return n % cpu_count(); }

/// Takes the processor for about a microsecond where instructions are counted, and lets another processor of the
/// emulator go on, where they take turns.
void pause() {
    u64 rounds = 500;
    asm volatile("1: dec %0; jnz 1b; pause" : "+r"(rounds));
}

void spin(void*) {
    for (;;) pause();
}

/// Takes the processor for so many instructions.
void work(u64 instructions) {
    for (u64 done = 0; done < instructions; done += 1000) pause();
}

Result<Handle<Budget>> make_budget(Context& t, u64 capacity, u64 period) {
    return t.pool.create_budget(own_budget(), {.capacity = capacity,
                                               .period = period,
                                               .cpus = 0xff,
                                               .ceiling = 255,
                                               .signal = abi::kNoHandle,
                                               .signal_bits = 0});
}

u64 consumed(const Handle<Budget>& budget) {
    auto info = budget.budget_info();
    return info.ok() ? info->consumed : 0;
}

/// Sleeps; false: it can't.
bool sleep_until(const Handle<Signal>& nobody, abi::Time when) {
    return nobody.wait(1, when).error() == Error::timed_out;
}

bool sleep_until_state(const Handle<Signal>& nobody, const Worker& worker, abi::ThreadState state) {
    for (u32 i = 0; i < kPatience; i++) {
        auto info = worker.thread.thread_info();
        if (info.ok() && info->state == static_cast<u32>(state)) return true;
        if (!sleep_until(nobody, in_milliseconds(1))) return false;
    }
    return false;
}

/// A fifth of the time for one, against another of that priority that always wants to run.
void share_with(Context& t, u8 greedy_priority) {
    constexpr u64 kPeriods = 50;
    auto budget = MUST(make_budget(t, 2 * kMillisecond, 10 * kMillisecond));
    auto rest = MUST(make_budget(t, 10 * kMillisecond, 10 * kMillisecond));
    auto nobody = MUST(t.pool.create_signal());
    become_urgent();
    start_worker(t, spin, nullptr, {.priority = greedy_priority, .budget = rest.index()});
    start_worker(t, spin, nullptr, {.priority = 120, .budget = budget.index()});
    CHECK(sleep_until(nobody, in_milliseconds(30)));
    const abi::Time start = kernel_clock();
    const u64 before = consumed(budget), rest_before = consumed(rest);
    CHECK(sleep_until(nobody, start + kPeriods * 10 * kMillisecond));
    const u64 elapsed = kernel_clock() - start;
    const u64 used = consumed(budget) - before, rest_used = consumed(rest) - rest_before;
    CHECK(used > 0 && rest_used > 0);
    CHECK(MUST(budget.budget_info()).overruns > 1);
    if (!time_is_exact()) return;
    // In thousandths.
    CHECK_AROUND(used * 1000 / elapsed, 200, 10);
    CHECK_AROUND(rest_used * 1000 / elapsed, 800, 20);
}

/// Works as long as word 0 says, for whoever calls.
struct Workshop {
    abi::HandleIndex endpoint;
    volatile u64 served = 0;
};
void serve(void* argument) {
    auto& shop = *static_cast<Workshop*>(argument);
    Message message;
    Error error = ipc_recv(shop.endpoint, message);
    while (error == Error::ok) {
        work(message.words[0]);
        shop.served = shop.served + 1;
        error = ipc_reply_recv(shop.endpoint, message);
    }
}

/// Calls so often, for so much work, and tells.
struct Customer {
    abi::HandleIndex endpoint;
    abi::HandleIndex done;
    u64 bit;
    u64 instructions;
    u64 calls = 1;
    abi::Time deadline = 0;
    volatile u64 error = 0;
    volatile u64 end = 0;
};
void buy(void* argument) {
    auto& c = *static_cast<Customer*>(argument);
    for (u64 i = 0; i < c.calls; i++) {
        Message message;
        message.words[0] = c.instructions;
        c.error = static_cast<u64>(ipc_call(c.endpoint, message, c.deadline));
        c.end = kernel_clock();
    }
    invoke(abi::Syscall::signal_notify, c.done, c.bit);
}

bool near(u64 value, u64 wanted, u64 percent) {
    return value * 100 >= wanted * (100 - percent) && value * 100 <= wanted * (100 + percent);
}

/// Waits until all these bits have come.
bool wait_for_all(const Handle<Signal>& signal, u64 bits) {
    u64 got = 0;
    while (got != bits) {
        auto more = signal.wait(bits, in_milliseconds(kPatience));
        if (!more.ok()) return false;
        got |= *more;
    }
    return true;
}

}  // namespace

TEST(time_share_above_a_greedy_thread) { share_with(t, 90); }
TEST(time_share_beside_a_greedy_thread) { share_with(t, 120); }

TEST(time_one_budget_on_all_cpus) {
    // Sampled once a period, shortly before it ends: each sees what all CPUs together used of one period.
    constexpr u64 kPeriod = 40 * kMillisecond, kCapacity = 16 * kMillisecond;
    constexpr u64 kSlack = 200 * kMicrosecond;
    auto nobody = MUST(t.pool.create_signal());
    become_urgent();
    auto budget = MUST(make_budget(t, kCapacity, kPeriod));
    const abi::Time start = kernel_clock();
    for (u32 cpu = 0; cpu < cpu_count(); cpu++)
        start_worker(t, spin, nullptr, {.cpu = cpu, .priority = 120, .budget = budget.index()});
    u64 before = 0;
    for (u64 period = 1; period <= 6; period++) {
        CHECK(sleep_until(nobody, start + period * kPeriod - 2 * kMillisecond));
        const u64 now = consumed(budget);
        if (time_is_exact()) {
            CHECK(now - before <= kCapacity + kSlack);
            CHECK(now - before >= kCapacity - kSlack);
        }
        before = now;
    }
    CHECK(MUST(budget.budget_info()).overruns > 0);
}

TEST(time_of_a_server_is_its_clients) {
    auto endpoint = MUST(t.pool.create_endpoint());
    auto done = MUST(t.pool.create_signal());
    auto reserve = MUST(make_budget(t, 10 * kMillisecond, 10 * kMillisecond));
    auto first_budget = MUST(make_budget(t, 10 * kMillisecond, 10 * kMillisecond));
    auto second_budget = MUST(make_budget(t, 10 * kMillisecond, 10 * kMillisecond));
    become_urgent();
    Workshop shop{endpoint.index()};
    start_worker(t, serve, &shop, {.budget = reserve.index()});
    constexpr u64 kCalls = 40;
    Customer first{endpoint.index(), done.index(), 1, 300'000, kCalls};
    Customer second{endpoint.index(), done.index(), 2, 100'000, kCalls};
    start_worker(t, buy, &first, {.budget = first_budget.index()});
    start_worker(t, buy, &second, {.budget = second_budget.index()});
    CHECK(wait_for_all(done, 3));
    CHECK_EQUAL(first.error, Error::ok);
    CHECK_EQUAL(second.error, Error::ok);
    CHECK_EQUAL(shop.served, 2 * kCalls);
    if (!time_is_exact()) return;
    CHECK(near(consumed(first_budget), kCalls * first.instructions, 5));
    CHECK(near(consumed(second_budget), kCalls * second.instructions, 5));
    CHECK(consumed(reserve) < kCalls * 4 * kMicrosecond);
}

TEST(time_beyond_a_clients_is_its_debt) {
    auto endpoint = MUST(t.pool.create_endpoint());
    auto done = MUST(t.pool.create_signal());
    auto reserve = MUST(make_budget(t, 10 * kMillisecond, 10 * kMillisecond));
    become_urgent();
    Workshop shop{endpoint.index()};
    start_worker(t, serve, &shop, {.budget = reserve.index()});
    const abi::Time start = kernel_clock();
    auto poor = MUST(make_budget(t, kMillisecond, 20 * kMillisecond));
    Customer customer{endpoint.index(), done.index(), 1, 3 * kMillisecond};
    start_worker(t, buy, &customer, {.budget = poor.index()});
    CHECK(wait_for_all(done, 1));
    CHECK_EQUAL(customer.error, Error::ok);
    const auto account = MUST(poor.budget_info());
    CHECK(account.overruns >= 1);
    if (!time_is_exact()) return;
    CHECK(near(account.debt, 2 * kMillisecond, 5));
    CHECK(near(consumed(reserve), 2 * kMillisecond, 5));
    CHECK(near(account.consumed + account.debt, customer.instructions, 5));
    // One period pays for what it used itself, two for the debt.
    CHECK(customer.end - start >= 60 * kMillisecond);
    CHECK(customer.end - start <= 61 * kMillisecond);
}

TEST(time_of_one_who_waits_finishes_for_a_spent_one) {
    // The server has none of its own: who queues behind the spent client pays for the rest, and then for itself.
    auto endpoint = MUST(t.pool.create_endpoint());
    auto done = MUST(t.pool.create_signal());
    auto poor = MUST(make_budget(t, kMillisecond, 2000 * kMillisecond));
    auto rich = MUST(make_budget(t, 10 * kMillisecond, 10 * kMillisecond));
    auto nobody = MUST(t.pool.create_signal());
    become_urgent();
    Workshop shop{endpoint.index()};
    Worker server = start_worker(t, serve, &shop);
    CHECK(sleep_until(nobody, in_milliseconds(1)));
    auto none = MUST(make_budget(t, kMillisecond, 10 * kMillisecond));
    MUST_OK(server.thread.set_budget(none));
    MUST_OK(none.destroy());
    Customer first{endpoint.index(), done.index(), 1, 3 * kMillisecond};
    Customer second{endpoint.index(), done.index(), 2, 2 * kMillisecond};
    start_worker(t, buy, &first, {.budget = poor.index()});
    CHECK(sleep_until(nobody, in_milliseconds(1)));
    start_worker(t, buy, &second, {.budget = rich.index()});
    CHECK(wait_for_all(done, 2));  // the first one has no time left to tell
    CHECK_EQUAL(second.error, Error::ok);
    CHECK_EQUAL(shop.served, 2);
    if (!time_is_exact()) return;
    CHECK(near(consumed(poor), kMillisecond, 5));
    CHECK(near(consumed(rich), 4 * kMillisecond, 5));
}

namespace {

constexpr u32 kServers = 4;

/// A server that passes each call on, or, the last one, is busy with it until a gate opens.
struct Link {
    abi::HandleIndex endpoint;
    abi::HandleIndex next = abi::kNoHandle;
    abi::HandleIndex entered = abi::kNoHandle;
    volatile u64* gate = nullptr;
};
void pass_on(void* argument) {
    auto& link = *static_cast<Link*>(argument);
    Message message;
    Error error = ipc_recv(link.endpoint, message);
    while (error == Error::ok) {
        if (link.next != abi::kNoHandle) {
            message.tag = abi::Tag(1, 0);
            static_cast<void>(ipc_call(link.next, message));
        } else {
            invoke(abi::Syscall::signal_notify, link.entered, 1);
            while (*link.gate == 0) pause();
        }
        message.tag = abi::Tag(1, 0);
        error = ipc_reply_recv(link.endpoint, message);
    }
}

/// A low client is in a chain of four servers when a middle spinner starts on each CPU; a high client that calls the first
/// server is not delayed. Servers alternate between CPU 0 and `second`; the high client is on `from`.
void chain(Context& t, u32 second, u32 from) {
    auto signal = MUST(t.pool.create_signal());
    auto nobody = MUST(t.pool.create_signal());
    Handle<Endpoint> endpoints[kServers];
    for (auto& endpoint : endpoints) endpoint = MUST(t.pool.create_endpoint());
    volatile u64 gate = 0;
    Link links[kServers];
    Worker servers[kServers];
    become_urgent();
    for (u32 i = 0; i < kServers; i++) {
        links[i] = {endpoints[i].index(), i + 1 < kServers ? endpoints[i + 1].index() : abi::kNoHandle,
                    signal.index(), &gate};
        servers[i] = start_worker(t, pass_on, &links[i], {.cpu = i % 2 == 0 ? 0 : second, .priority = 80});
    }
    Customer low{endpoints[0].index(), signal.index(), 2, 0};
    start_worker(t, buy, &low, {.priority = 90});
    CHECK(wait_for_all(signal, 1));  // the last server has the call
    for (const Worker& server : servers)
        CHECK_EQUAL(MUST(server.thread.thread_info()).effective_priority, 90);
    for (u32 cpu : {0u, second}) start_worker(t, spin, nullptr, {.cpu = cpu, .priority = 110});
    Customer high{endpoints[0].index(), signal.index(), 4, 0};
    Worker caller = start_worker(t, buy, &high, {.cpu = from, .priority = 120});
    CHECK(sleep_until_state(nobody, caller, abi::ThreadState::calling));
    for (const Worker& server : servers)
        CHECK_EQUAL(MUST(server.thread.thread_info()).effective_priority, 120);
    const abi::Time opened = kernel_clock();
    gate = 1;
    CHECK(wait_for_all(signal, 4 | 1));  // once more through the chain
    CHECK_EQUAL(high.error, Error::ok);
    // Through eight replies and four calls, without a turn of a spinner; other CPUs take their time in the emulator.
    if (time_is_exact()) CHECK(high.end - opened <= (second == 0 && from == 0 ? 40 : 400) * kMicrosecond);
}

/// A client whose deadline passes while its server spins, and one that queues behind it, are back on time.
void deadlines(Context& t, u32 server_cpu) {
    auto endpoint = MUST(t.pool.create_endpoint());
    auto signal = MUST(t.pool.create_signal());
    auto nobody = MUST(t.pool.create_signal());
    volatile u64 never = 0;
    Link link{endpoint.index(), abi::kNoHandle, signal.index(), &never};
    become_urgent();
    Worker server = start_worker(t, pass_on, &link, {.cpu = server_cpu, .priority = 80});
    CHECK(sleep_until_state(nobody, server, abi::ThreadState::receiving));
    start_worker(t, spin, nullptr, {.priority = 100});
    Customer first{endpoint.index(), signal.index(), 2, 0, 1, in_milliseconds(13)};
    Customer second{endpoint.index(), signal.index(), 4, 0, 1, in_milliseconds(14)};
    start_worker(t, buy, &first, {.priority = 120});
    CHECK(wait_for_all(signal, 1));
    start_worker(t, buy, &second,
                 {.priority = 115});  // what it lends to the server is less than the first one has
    CHECK(wait_for_all(signal, 2 | 4));
    for (const Customer* customer : {&first, &second}) {
        CHECK_EQUAL(customer->error, Error::timed_out);
        CHECK(customer->end >= customer->deadline);
        // An instant later: the timer's interrupt, the way out of the wait, and reading the clock.
        if (time_is_exact())
            CHECK(customer->end - customer->deadline <= (server_cpu == 0 ? 20 : 100) * kMicrosecond);
    }
}

}  // namespace

TEST(time_chain_of_four_servers) { chain(t, 0, 0); }
TEST(time_chain_over_two_cpus) { chain(t, other_cpu(1), 0); }
TEST(time_chain_called_from_another_cpu) { chain(t, other_cpu(1), other_cpu(1)); }
TEST(time_deadline_though_the_server_spins) { deadlines(t, 0); }
TEST(time_deadline_though_a_server_elsewhere_spins) { deadlines(t, other_cpu(1)); }

}  // namespace pith::test
