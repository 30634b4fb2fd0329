// SPDX-License-Identifier: MIT
#include "servers/linux/shutdown.hpp"

#include <algorithm>

#include "lib/os/clock.hpp"
#include "servers/linux/address_space.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/vfs/dev/disk.hpp"
#include "servers/linux/vfs/diskfs/mounts.hpp"
#include "servers/linux/vfs/tty/console.hpp"
#include "servers/linux/vfs/vfs.hpp"

namespace pith::lx {

namespace {

constexpr abi::Time kFlushPatience = 60 * kSecond;

struct Ending : Timer {
    Ending() : Timer(&expired) {}
    static void expired(Timer& timer);
    void finish();
    void end_chaos();
    Task<void> flush_and_finish();
    Task<void> flush();
    Event flushed;
    Zone* zone = nullptr;
    EndKind kind = EndKind::exited;
    u32 status = 0;
};
constinit Ending* ending = nullptr;

/// Who kills components while the command runs stops, and says what came of it.
void Ending::end_chaos() {
    const Client<Chaos>& chaos = zone->services->chaos;
    if (!chaos.valid() || !zone->vfs->console) return;
    auto end = chaos.call(Chaos::End{});
    for (u64 index = 0; end.ok() && index < end->lines; ++index) {
        auto line = chaos.call(Chaos::Line{index});
        if (!line.ok()) break;
        zone->vfs->console->report(index, {line->text, std::min<usize>(line->length, Chaos::kMaxLine)});
    }
}

void Ending::expired(Timer& timer) {
    auto& end = static_cast<Ending&>(timer);
    end.end_chaos();
    std::vector<Process*> all;
    for (const auto& [pid, process] : end.zone->processes)
        if (process.get() != end.zone->init && !process->zombie) all.push_back(process.get());
    for (Process* process : all) process->terminate(kSigKill);
    if (!end.zone->vfs->disks || !spawn(end.flush_and_finish())) end.finish();
}

void Ending::finish() {
    Services& services = *zone->services;
    if (services.console.valid())
        static_cast<void>(services.console.call(Console::Exit{status, static_cast<u32>(kind)}));
    const ShutdownKind how = kind == EndKind::reboot     ? ShutdownKind::reboot
                             : kind == EndKind::poweroff ? ShutdownKind::poweroff
                                                         : ShutdownKind::exit;
    static_cast<void>(services.process.call(pith::Process::Shutdown{static_cast<u32>(how), status}));
}

Task<void> Ending::flush() {
    if (zone->vfs->file_servers) static_cast<void>(co_await zone->vfs->file_servers->shut_down());
    static_cast<void>(co_await zone->vfs->disks->flush());
    flushed.notify();
}

/// What was written is on the disks when the machine goes off; but one that does not answer keeps nobody here.
Task<void> Ending::flush_and_finish() {
    if (spawn(flush())) static_cast<void>(co_await flushed.wait(zone->now() + kFlushPatience));
    finish();
}

}  // namespace

void end_zone(Zone& zone, EndKind kind, u32 status) {
    if (zone.shutting_down) return;
    zone.shutting_down = true;
    ending = new Ending;
    ending->zone = &zone;
    ending->kind = kind;
    ending->status = status;
    ending->arm(abi::kPoll + 1);
}

}  // namespace pith::lx
