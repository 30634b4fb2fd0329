// SPDX-License-Identifier: MIT
#include "tests/services/services_test/harness.hpp"

#include <cstring>

namespace pith::test {

Client<Victim> victim;
Client<Log> log_client;
u64 next_id = 1;
u64 expected_sum = 0;

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
