// SPDX-License-Identifier: MIT
#include "servers/linux/shutdown.hpp"

#include "servers/linux/address_space.hpp"
#include "servers/linux/services.hpp"

namespace pith::lx {

namespace {

struct Ending : Timer {
    Ending() : Timer(&expired) {}
    static void expired(Timer& timer);
    Zone* zone = nullptr;
    EndKind kind = EndKind::exited;
    u32 status = 0;
};
constinit Ending* ending = nullptr;

void Ending::expired(Timer& timer) {
    auto& end = static_cast<Ending&>(timer);
    Zone& zone = *end.zone;
    std::vector<Process*> all;
    for (const auto& [pid, process] : zone.processes)
        if (process.get() != zone.init && !process->zombie) all.push_back(process.get());
    for (Process* process : all) process->terminate(kSigKill);
    Services& services = *zone.services;
    if (services.console.valid())
        static_cast<void>(services.console.call(Console::Exit{end.status, static_cast<u32>(end.kind)}));
    const ShutdownKind kind = end.kind == EndKind::reboot     ? ShutdownKind::reboot
                              : end.kind == EndKind::poweroff ? ShutdownKind::poweroff
                                                              : ShutdownKind::exit;
    static_cast<void>(services.process.call(pith::Process::Shutdown{static_cast<u32>(kind), end.status}));
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
