// SPDX-License-Identifier: MIT
// Tests the network stack from inside: an address by DHCP, echo requests to the gateway of QEMU's user network, a connection that is refused, all of it again
// after the stack's death. With `serve` it is then an echo server under deaths. Prints a line a test, and ends the machine.
#include "lib/os/mapping.hpp"
#include "tests/guest.hpp"
#include "tests/host/net/support/client.hpp"

namespace pith::test {
namespace {

using stack::TestClient;

struct Context {
    EventLoop* loop;
    Client<Net> net;
    Mapping mapping;
    Handle<Signal> server;
    u64 server_bits = 0;
    u64 session = 0;
    u64 bit = 0;
    u32 opened = 0;
    TestClient* client = nullptr;
};
Context context;

bool open() {
    ReceivedHandles received;
    auto reply = context.net.call(
        Net::Open{context.session, context.bit},
        HandleList().add(context.loop->signal(), rights(abi::SignalRight::notify) | kCopyRight), received,
        now() + 5 * kSecond);
    if (!reply.ok()) return false;
    auto link = received.take<Memory>(0);
    auto signal = received.take<Signal>(1);
    if (!link.ok() || !signal.ok()) return false;
    if (!context.mapping.valid()) {
        auto mapping = Mapping::create(
            *link, 0, (Net::kLinkSize + abi::kPageSize - 1) / abi::kPageSize * abi::kPageSize);
        if (!mapping.ok()) return false;
        context.mapping = std::move(*mapping);
        static TestClient client(context.mapping.as<u8>());
        context.client = &client;
    }
    context.server = std::move(*signal);
    context.server_bits = reply->bits;
    context.opened++;
    context.client->enter_all();
    context.client->take_all();
    return true;
}

void flush() {
    if (!context.client->notified) return;
    context.client->notified = false;
    static_cast<void>(context.server.notify(context.server_bits));
}

template <typename Condition>
bool wait_for(Condition condition, abi::Time patience = 30 * kSecond) {
    for (const abi::Time deadline = now() + patience; !condition();) {
        flush();
        context.loop->run_once(std::min(deadline, now() + 20 * kMillisecond));
        if (now() >= deadline) return false;
    }
    flush();
    return true;
}

bool kill() {
    const u32 before = context.opened;
    return restart("net") && wait_for([&] { return context.opened > before; });
}

const Net::Interface& interface() { return context.client->link().interfaces[0]; }

bool address_comes() {
    if (!wait_for([] { return interface().addresses[0].family == 4; })) return false;
    const u8* address = interface().addresses[0].bytes;
    print("# {}: {}.{}.{}.{}/{}\n", interface().name, address[0], address[1], address[2], address[3],
          interface().addresses[0].prefix);
    return address[0] == 10 && interface().addresses[0].prefix == 24 &&
           context.client->link().name_server_count == 1;
}

Net::Address host(u8 last, u16 port = 0) {
    Net::Address address{};
    address.family = 4;
    address.port = port;
    const u8 bytes[] = {10, 0, 2, last};
    std::memcpy(address.bytes, bytes, 4);
    return address;
}

bool gateway_echoes() {
    Net::Address local{};
    local.port = 77;
    const u32 socket = context.client->datagram(Net::Kind::echo, local, host(2));
    u32 answers = 0;
    for (u16 i = 1; i <= 20; i++) {
        std::vector<u8> bytes(8 + i * 60);
        bytes[7] = static_cast<u8>(i);
        if (!context.client->send_datagram(socket, {}, bytes)) return false;
        Net::Datagram header;
        std::vector<u8> got;
        if (!wait_for([&] { return context.client->receive_datagram(socket, header, got); })) return false;
        if (got.size() == bytes.size() && got[7] == i && header.remote == host(2)) answers++;
    }
    context.client->close(socket);
    return answers == 20;
}

bool nobody_listens() {
    Net::Address local{};
    static u16 port = 5000;
    local.port = port++;
    const u32 socket = context.client->connect(local, host(2, 1));
    if (!wait_for([&] { return context.client->state(socket) == Net::State::closed; })) return false;
    const Net::Failure failure = context.client->failure(socket);
    context.client->close(socket);
    return failure == Net::Failure::refused || failure == Net::Failure::reset;
}

/// Carries bytes back, for as many as connect, while the stack dies.
bool serve() {
    const u64 between_deaths = start_number("bytes");
    const u32 echo = context.client->listen(7), end = context.client->listen(9);
    std::vector<u32> open_ones;
    bool over = false;
    u64 carried = 0, deaths = 0;
    print("serving\n");
    static u8 bytes[65536];
    while (!over) {
        flush();
        context.loop->run_once(now() + kMillisecond);
        if (carried / between_deaths > deaths) {
            if (!kill()) return false;
            deaths++;
        }
        while (const u32 one = context.client->accept(echo)) open_ones.push_back(one);
        over = context.client->accept(end) != 0;
        for (usize i = 0; i < open_ones.size(); i++) {
            const u32 one = open_ones[i];
            const u32 got = context.client->receive(
                one, bytes, std::min<u32>(sizeof bytes, context.client->send_room(one)));
            if (got > 0 && context.client->send(one, bytes, got) != got) return false;
            carried += got;
            if (context.client->state(one) != Net::State::closed &&
                !(context.client->peer_closed(one) && context.client->readable(one) == 0))
                continue;
            context.client->close(one);
            open_ones.erase(open_ones.begin() + static_cast<std::ptrdiff_t>(i--));
        }
    }
    auto statistics = context.net.call(Net::Statistics{});
    print("# {} bytes carried back, {} deaths, {} restored\n", carried, deaths,
          statistics.ok() ? statistics->restored : 0);
    return true;
}

}  // namespace
}  // namespace pith::test

int main() {
    using namespace pith;
    using namespace pith::test;
    static EventLoop loop;
    context.loop = &loop;
    begin_tests();
    context.net = Client<Net>::from_start();
    context.bit = loop.allocate_signal_bit();
    context.session = now() | 1;
    loop.on_signal(context.bit, [](u64) { context.client->take_all(); });
    loop.on_signal(kSignalReborn, [](u64) { static_cast<void>(open()); });
    run("opened", open);
    if (failures == 0) {
        run("address_comes", address_comes);
        run("gateway_echoes", gateway_echoes);
        run("nobody_listens", nobody_listens);
        run("killed", kill);
        run("address_is_there", address_comes);
        run("gateway_echoes_again", gateway_echoes);
        run("nobody_listens_again", nobody_listens);
        if (start_number("serve") != 0) run("serves", serve);
    }
    return end_tests("net");
}
