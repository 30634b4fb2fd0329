// SPDX-License-Identifier: MIT
#include "tests/services/services_test/harness.hpp"

#include <cstring>

namespace pith::test {

Handle<Machine> machine;
Client<Process> process;
Client<Victim> victim;
Client<Log> log_client;
u64 next_id = 1;
u64 expected_sum = 0;

void sleep(abi::Time time) {
    static Handle<Signal> never = std::move(*own_pool().create_signal());
    static_cast<void>(never.wait(1, now() + time));
}

Result<Process::Describe::Reply> describe(std::string_view name) {
    for (u64 index = 0;; index++) {
        auto reply = PITH_TRY(process.call(Process::Describe{index}));
        if (name == reply.name) return reply;
    }
}

Result<> control(std::string_view name, ControlAction action) {
    Process::Control request{};
    std::memcpy(request.name, name.data(), name.size());
    request.action = static_cast<u32>(action);
    auto result = process.call(request);
    return result.ok() ? Result<>() : Result<>(result.error());
}

bool state_becomes(std::string_view name, ComponentState state, u32 restarts) {
    for (int i = 0; i < 400; i++) {
        auto reply = describe(name);
        if (reply.ok() && reply->state == static_cast<u32>(state) && reply->restarts >= restarts) return true;
        sleep(5 * kMillisecond);
    }
    return false;
}

bool add_works() {
    expected_sum += 7;
    auto reply = victim.call(Victim::Add{next_id++, 7});
    return reply.ok() && reply->sum == expected_sum;
}

abi::KernelCounts counts() {
    auto reply = process.call(Process::Counts{});
    return reply.ok() ? reply->counts : abi::KernelCounts{};
}

bool same(const abi::KernelCounts& a, const abi::KernelCounts& b) {
    const auto* x = reinterpret_cast<const u64*>(&a);
    const auto* y = reinterpret_cast<const u64*>(&b);
    bool equal = true;
    for (usize i = 0; i < sizeof(a) / 8; i++)
        if (x[i] != y[i]) {
            print("    count {}: {} before, {} after\n", i, x[i], y[i]);
            equal = false;
        }
    return equal;
}

bool dies(Death how) {
    auto before = describe("services_victim");
    CHECK(before.ok());
    ReceivedHandles handles;
    auto result = victim.call_once(Victim::Die{static_cast<u64>(how)}, HandleList(), handles);
    CHECK(how == Death::spin ? result.ok() : result.error() == Error::peer_died);
    CHECK(state_becomes("services_victim", ComponentState::running, before->restarts + 1));
    CHECK(add_works());
    sleep(250 * kMillisecond);
    auto after = describe("services_victim");
    CHECK(after.ok() && after->restarts == before->restarts + 1);
    print("    cause: {}\n", after->cause);
    return true;
}

}  // namespace pith::test
