// SPDX-License-Identifier: MIT
#include "servers/linux/shutdown.hpp"

#include <algorithm>
#include <optional>

#include "lib/os/clock.hpp"
#include "lib/os/patience.hpp"
#include "servers/linux/address_space.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/vfs/dev/disk.hpp"
#include "servers/linux/vfs/diskfs/mounts.hpp"
#include "servers/linux/vfs/tty/console.hpp"
#include "servers/linux/vfs/vfs.hpp"

namespace pith::lx {

namespace {

constexpr abi::Time kFlushPatience = 60 * kSecond;

/// A call whose answer may take long: meanwhile the event loop goes on, and answers its heartbeat.
template <typename Protocol, typename M>
Task<Result<typename M::Reply>> call_patiently(const EventLoop& loop, const Client<Protocol>& client,
                                               M method) {
    constexpr abi::Time kTurn = 50 * kMillisecond;
    while (true) {
        auto reply = client.call(method, now() + kTurn);
        if (reply.error() != Error::timed_out) co_return reply;
        static_cast<void>(co_await loop.sleep_until(now() + kMillisecond));
    }
}

struct Ending : Timer {
    explicit Ending(Zone& of) : Timer(&expired), zone(of) {}
    static void expired(Timer& timer);
    Task<void> run();
    Task<void> end_chaos();
    Task<void> flush();
    Task<void> tell_console();
    void end_machine();
    Zone& zone;
    Event flushed;
    EndKind kind = EndKind::exited;
    u32 status = 0;
    bool told = false;  ///< by an earlier life: nothing is left to be done but to end the machine
};

/// Who kills components while the command runs stops, and says what came of it.
Task<void> Ending::end_chaos() {
    const Client<Chaos>& chaos = zone.services->chaos;
    if (!chaos.valid() || !zone.vfs->console) co_return;
    auto end = co_await call_patiently(zone.services->loop, chaos, Chaos::End{});
    for (u64 index = 0; end.ok() && index < end->lines; ++index) {
        auto line = chaos.call(Chaos::Line{index});
        if (!line.ok()) break;
        zone.vfs->console->report(index, {line->text, std::min<usize>(line->length, Chaos::kMaxLine)});
    }
}

void Ending::expired(Timer& timer) {
    auto& end = static_cast<Ending&>(timer);
    if (!spawn(end.run())) end.end_machine();
}

Task<void> Ending::run() {
    if (!told) {
        co_await end_chaos();
        std::vector<Process*> all;
        for (const auto& [pid, process] : zone.processes)
            if (process.get() != zone.init && !process->zombie) all.push_back(process.get());
        for (Process* process : all) process->terminate(kSigKill);
        // What was written is on the disks when the machine goes off; but one that does not answer keeps nobody here.
        if (zone.vfs->disks && spawn(flush()))
            static_cast<void>(co_await flushed.wait(HostDeadline(kFlushPatience).time()));
    }
    co_await tell_console();
    end_machine();
}

Task<void> Ending::flush() {
    if (zone.vfs->file_servers) static_cast<void>(co_await zone.vfs->file_servers->shut_down());
    static_cast<void>(co_await zone.vfs->disks->flush());
    flushed.notify();
}

/// The host takes the output as slowly as who reads it.
Task<void> Ending::tell_console() {
    const Client<Console>& console = zone.services->console;
    if (!console.valid()) co_return;
    static_cast<void>(
        co_await call_patiently(zone.services->loop, console, Console::Exit{status, static_cast<u32>(kind)}));
}

void Ending::end_machine() {
    const ShutdownKind how = kind == EndKind::reboot     ? ShutdownKind::reboot
                             : kind == EndKind::poweroff ? ShutdownKind::poweroff
                                                         : ShutdownKind::exit;
    static_cast<void>(zone.services->process.call(pith::Process::Shutdown{static_cast<u32>(how), status}));
}

void begin(Zone& zone, EndKind kind, u32 status, bool told) {
    zone.shutting_down = true;
    auto* ending = new Ending(zone);  // until the machine is off
    ending->kind = kind;
    ending->status = status;
    ending->told = told;
    ending->arm(abi::kPoll + 1);
}

}  // namespace

void end_zone(Zone& zone, EndKind kind, u32 status) {
    if (!zone.shutting_down) begin(zone, kind, status, false);
}

bool finish_end(Zone& zone) {
    const std::optional<Console::Exit> ending = zone.vfs->console ? zone.vfs->console->ending()
                                                                  : std::nullopt;
    if (!ending) return false;
    begin(zone, static_cast<EndKind>(std::min(ending->reason, static_cast<u32>(EndKind::reboot))),
          ending->status, true);
    return true;
}

}  // namespace pith::lx
