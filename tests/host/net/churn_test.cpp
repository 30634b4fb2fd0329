// SPDX-License-Identifier: MIT
// Connections opened, used and closed while both stacks die again and again: none is refused, none loses a byte, and nothing is left of any.
#include <algorithm>

#include "tests/host/net/support/pump.hpp"

namespace pith::stack {
namespace {

/// A client that asks, and takes the answer: twice what it has sent, until the server closes.
struct Client {
    u32 socket;
    u32 length;
    u32 sent = 0, received = 0;
    bool wrong = false, shut = false, closed = false;
};
struct Worker {
    u32 socket;
    std::vector<u8> request;
    u32 sent = 0;
    bool shut = false, closed = false;
};

u8 byte_of(u32 at, u32 length) { return static_cast<u8>(at * 31 + length); }

/// How often a stack died.
void churn(u64 seed, u64 loss, u32 total, u32& all_deaths) {
    World world(seed);
    Machine& one = world.add(1);
    Machine& two = world.add(2);
    world.loss = static_cast<u32>(loss);
    const u32 listener = two.client().listen(80, 64);
    world.run_for(5);
    std::vector<Client> clients;
    std::vector<Worker> workers;
    u32 opened = 0, complete = 0, deaths = 0;
    u64 next_death = world.now + 1'000'000;
    const auto step_client = [&](Client& client) {
        TestClient& link = one.client();
        u8 bytes[4096];
        if (client.sent < client.length) {
            const u32 count = std::min<u32>(sizeof bytes, client.length - client.sent);
            for (u32 i = 0; i < count; i++) bytes[i] = byte_of(client.sent + i, client.length);
            client.sent += link.send(client.socket, bytes, count);
        } else if (!client.shut) {
            link.shutdown(client.socket);
            client.shut = true;
        }
        const u32 got = link.receive(client.socket, bytes, sizeof bytes);
        for (u32 i = 0; i < got; i++)
            client.wrong |= bytes[i] != byte_of((client.received + i) % client.length, client.length);
        client.received += got;
        if (link.state(client.socket) != Net::State::closed || link.readable(client.socket) != 0) return;
        EXPECT_EQ(client.received, 2 * client.length) << "failure " << int(link.failure(client.socket));
        EXPECT_FALSE(client.wrong);
        link.close(client.socket);
        client.closed = true;
        complete++;
    };
    const auto step_worker = [&](Worker& worker) {
        TestClient& link = two.client();
        u8 bytes[4096];
        const u32 got = link.receive(worker.socket, bytes, sizeof bytes);
        worker.request.insert(worker.request.end(), bytes, bytes + got);
        if (link.peer_closed(worker.socket) && link.readable(worker.socket) == 0) {
            const u32 length = static_cast<u32>(worker.request.size());
            while (worker.sent < 2 * length) {
                const u32 at = worker.sent % length;
                const u32 count = link.send(worker.socket, worker.request.data() + at, length - at);
                worker.sent += count;
                if (count == 0) break;
            }
            if (worker.sent == 2 * length && !worker.shut) {
                link.shutdown(worker.socket);
                worker.shut = true;
            }
        }
        if (link.state(worker.socket) != Net::State::closed) return;
        link.close(worker.socket);
        worker.closed = true;
    };
    const bool done = world.run(
        [&] {
            if (world.now >= next_death && opened < total) {
                next_death = world.now + 200'000 + world.random() % 6'000'000;
                Machine& victim = world.random() % 2 == 0 ? one : two;
                if (world.random() % 2 == 0) {
                    victim.die_in_round(static_cast<u32>(world.random() % 6));
                } else {
                    victim.kill();
                    victim.start();
                }
                deaths++;
            }
            while (opened < total && clients.size() < 20 && world.random() % 4 == 0) {
                const u16 port = static_cast<u16>(5000 + opened++);
                const u32 length = 1 + static_cast<u32>(world.random() %
                                                        (world.random() % 4 == 0 ? 40'000 : 2000));
                clients.push_back({one.client().connect(ipv4(1, port), ipv4(2, 80)), length});
            }
            while (const u32 arrived = two.client().accept(listener)) workers.push_back({arrived, {}});
            std::ranges::for_each(clients, step_client);
            std::ranges::for_each(workers, step_worker);
            std::erase_if(clients, [](const Client& client) { return client.closed; });
            std::erase_if(workers, [](const Worker& worker) { return worker.closed; });
            return complete == total && workers.empty();
        },
        3'600'000);
    EXPECT_TRUE(done) << complete << " of " << total << ", " << clients.size() << " clients, "
                      << workers.size() << " workers";
    all_deaths += deaths;
    for (const Client& client : clients)
        ADD_FAILURE() << "client " << client.socket << " state " << int(one.client().state(client.socket))
                      << " sent " << client.sent << " received " << client.received << " of "
                      << client.length;
    world.run_for(130'000);
    for (Machine* machine : {&one, &two}) {
        const auto statistics = machine->stack().statistics();
        EXPECT_EQ(statistics.connections, 0u);
        EXPECT_EQ(statistics.half_open, 0u);
        EXPECT_EQ(statistics.receive_pages_used, 0u);
        EXPECT_EQ(machine->lent(), 0u);
        for (u32 i = 0; i < Net::kSockets; i++) {
            if (i != listener || machine == &one)
                EXPECT_TRUE(machine->client().free(i)) << machine->number() << ": " << i;
        }
    }
}

TEST(Churn, StacksDieAsConnectionsComeAndGo) {
    u32 deaths = 0;
    for (u64 seed = 1; seed <= 5; seed++) {
        SCOPED_TRACE(seed);
        churn(seed, 0, 150, deaths);
        if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(deaths, 80u);
}

TEST(Churn, TheSameWithLoss) {
    u32 deaths = 0;
    for (u64 seed = 1; seed <= 5; seed++) {
        SCOPED_TRACE(seed);
        churn(seed, 30, 100, deaths);
        if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(deaths, 50u);
}

}  // namespace
}  // namespace pith::stack
