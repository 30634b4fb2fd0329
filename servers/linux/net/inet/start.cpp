// SPDX-License-Identifier: MIT
// The start of the network: before the first program, the stack is asked, and an interface that is being configured is waited for.
#include <string>

#include "lib/os/clock.hpp"
#include "servers/linux/net/inet/network.hpp"
#include "servers/linux/net/inet/tcp_end.hpp"
#include "servers/linux/net/inet/udp_socket.hpp"
#include "servers/linux/process.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/path.hpp"
#include "servers/linux/vfs/vfs.hpp"
#include "servers/linux/wait_here.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr Time kOpenPatience = 2 * kSecond, kConfigurePatience = 5 * kSecond;

bool configuring(const NetSockets::Configuration& configuration) {
    for (const Net::Interface& interface : configuration.interfaces) {
        if (interface.name[0] == 0) break;
        if ((interface.flags & Net::kTrying) != 0 && (interface.flags & Net::kConfigured) == 0) return true;
    }
    return false;
}

constexpr const char* kResolver = "/etc/resolv.conf";
/// The first line of what we write: only such a file is written again.
constexpr std::string_view kMark = "# From the network, at the start\n";

/// What the file says; nothing: it is not there, or is a link that leads nowhere.
Task<SysResult<std::string>> read_resolver(Thread& thread, Ref<File> file) {
    char text[512];
    const usize size = PITH_CO_TRY(PITH_AWAIT(file->read(thread, UserIo::kernel(text, sizeof text), 0)));
    co_return std::string(text, size);
}

Task<SysResult<>> write_resolver(Thread& thread, Ref<File> file, std::string text) {
    static_cast<void>(
        PITH_CO_TRY(PITH_AWAIT(file->write(thread, UserIo::kernel(text.data(), text.size()), 0))));
    co_return SysResult<>();
}

/// Takes a link away that leads nowhere.
Task<SysResult<>> remove_link(Thread& thread) {
    Vfs& vfs = *thread.zone().vfs;
    SysResult<LastComponent> last = walk_to_last(thread, kAtCwd, kResolver);
    while (last.error() == kWalkWaits) {
        PITH_CO_CHECK(co_await vfs.finish_lookup(thread));
        last = walk_to_last(thread, kAtCwd, kResolver);
    }
    PITH_CO_CHECK(last);
    SysResult<Path> found = look_up(thread, last.value().directory, last.value().name);
    while (found.error() == kWalkWaits) {
        PITH_CO_CHECK(co_await vfs.finish_lookup(thread));
        found = look_up(thread, last.value().directory, last.value().name);
    }
    vfs.drop_lookup(thread);
    PITH_CO_CHECK(found);
    if (!found.value().inode().symlink()) co_return Errno::EEXIST;
    PITH_CO_CHECK(
        PITH_AWAIT(last.value().directory.inode().unlink(last.value().name, found.value().inode())));
    vfs.dentries.removed(*found.value().dentry);
    co_return SysResult<>();
}

}  // namespace

void Network::write_name_servers(Thread& thread) {
    const NetSockets::Configuration& known = configuration();
    if (known.name_server_count == 0) return;
    EventLoop& loop = zone.services->loop;
    Vfs& vfs = *zone.vfs;
    const SysResult<Ref<File>> old = vfs.open(thread, kAtCwd, kResolver, O_READ_ONLY);
    if (old.ok()) {
        const SysResult<std::string> text = wait_here(loop, read_resolver(thread, old.value()));
        if (!text.ok() || (!text.value().empty() && !text.value().starts_with(kMark))) return;
    } else if (old.error() != Errno::ENOENT) {
        return;
    }
    std::string text(kMark);
    if (known.domain[0] != 0) text += std::string("search ") + known.domain + "\n";
    for (u32 i = 0; i < known.name_server_count; ++i) {
        const InetAddress& server = known.name_servers[i];
        if (server.family == 4 || server.family == 6) text += "nameserver " + address_text(server) + "\n";
    }
    constexpr u32 kHow = O_WRITE_ONLY | O_CREATE | O_TRUNCATE;
    SysResult<Ref<File>> file = vfs.open(thread, kAtCwd, kResolver, kHow, 0644);
    if (file.error() == Errno::ENOENT && wait_here(loop, remove_link(thread)).ok())
        file = vfs.open(thread, kAtCwd, kResolver, kHow, 0644);
    // A root that can't be written to stays as it is.
    if (file.ok()) static_cast<void>(wait_here(loop, write_resolver(thread, file.value(), std::move(text))));
}

void Network::remake_sockets() {
    tcp.for_each([](const Binding& at) {
        if (at.listening && at.holder != nullptr) static_cast<TcpEnd*>(at.holder)->remake_stack_listener();
    });
    for (PortTable* table : {&udp, &echo, &raw})
        table->for_each([](const Binding& at) { static_cast<DatagramSocket*>(at.holder)->stack_returned(); });
}

void Network::start() {
    Services& services = *zone.services;
    if (!services.net.valid()) return;
    EventLoop& loop = services.loop;
    const u64 bit = loop.allocate_signal_bit();
    if (bit == 0) return;
    u64 session = 0;
    while (session == 0) zone.random(&session, sizeof session);
    // Of two lives of the zone with the same seed the clocks differ.
    session = (session ^ static_cast<u64>(zone.realtime()) ^ zone.now() << 32) | 1;
    client = std::make_unique<NetClient>(std::move(services.net), session);
    loop.on_signal(bit, [this](u64) { client->look(); });
    loop.on_signal(kSignalReborn, [this](u64) { client->reborn(); });
    client->patient = [this] { return zone.goes_on; };
    client->returned = [this] { remake_sockets(); };
    static_cast<void>(client->open(loop.signal(), bit, zone.now() + kOpenPatience));
    const Time deadline = zone.now() + kConfigurePatience;
    while (configuring(configuration()) && zone.now() < deadline) loop.run_once(deadline);
}

}  // namespace pith::lx
