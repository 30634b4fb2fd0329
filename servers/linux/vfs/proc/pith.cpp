// SPDX-License-Identifier: MIT
// /proc/pith: the system below Linux, as files. `services` is a directory with a folder for each component, and can be
// read as a table too; writing kill, restart, stop, start, hang or "update [FILE]" to services/NAME/control does that. `crashes` has the last
// reports of crashes.
#include <algorithm>
#include <cstring>
#include <optional>

#include "servers/linux/crash_reports.hpp"
#include "servers/linux/service_update.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/syscall_table.hpp"
#include "servers/linux/vfs/dev/kmsg.hpp"
#include "servers/linux/vfs/proc/proc.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

using Subject = const ProcSubject&;
using TextResult = SysResult<std::string>;
using Supervisor = pith::Process;
using Description = Supervisor::Describe::Reply;

bool describe(Zone& zone, u64 index, Description& description) {
    auto reply = zone.services->process.call(Supervisor::Describe{index});
    if (!reply.ok()) return false;
    description = reply.value();
    return true;
}

std::string_view name_of(const Description& description) {
    return {description.name, strnlen(description.name, sizeof description.name)};
}

/// Its number.
std::optional<u64> find_service(Zone& zone, std::string_view name, Description& description) {
    for (u64 index = 0; describe(zone, index, description); ++index) {
        if (name_of(description) == name) return index;
    }
    return std::nullopt;
}

std::string_view state_name(u32 state) {
    switch (static_cast<ComponentState>(state)) {
        case ComponentState::stopped: return "stopped";
        case ComponentState::running: return "running";
        case ComponentState::waiting: return "waiting";
        case ComponentState::held_down: return "held-down";
        case ComponentState::ending: return "ending";
    }
    return "unknown";
}

std::string_view cause_of(const Description& description) {
    return {description.cause, strnlen(description.cause, sizeof description.cause)};
}

/// What the component's devices can reach by DMA. The devices server may be down: that takes no longer than this.
std::string dma_of(Zone& zone, u64 component) {
    constexpr abi::Time kPatience = 50 * kMillisecond;
    const Client<Devices>& devices = zone.services->devices;
    if (!devices.valid()) return "none";
    auto reply = devices.call(Devices::Domain{component}, now() + kPatience);
    if (!reply.ok()) return "unknown";
    switch (static_cast<DmaReach>(reply->reach)) {
        case DmaReach::nothing: return "none";
        case DmaReach::domain: return "domain " + std::to_string(reply->domain);
        case DmaReach::all: return "open";
    }
    return "unknown";
}

TextResult text_services(Subject subject, Thread&) {
    Text text;
    text.left("NAME", 16);
    text.left("STATE", 10) << "RESTARTS   UPTIME_MS      CPU_MS   PAGES   LIMIT    KEEP DMA       CAUSE\n";
    Description description;
    for (u64 index = 0; describe(*subject.zone, index, description); ++index) {
        text.left(name_of(description), 15) << ' ';
        text.left(state_name(description.state), 10);
        text.right(description.restarts, 8);
        text.right(description.uptime / 1'000'000, 12);
        text.right(description.cpu_time / 1'000'000, 12);
        text.right(description.pages, 8);
        text.right(description.pages_limit, 8);
        text.right(description.keep_pages, 8) << ' ';
        text.left(dma_of(*subject.zone, index), 9)
            << ' ' << (cause_of(description).empty() ? "-" : cause_of(description)) << '\n';
    }
    return text.take();
}

std::string_view update_name(u32 state) {
    switch (static_cast<UpdateState>(state)) {
        case UpdateState::original: return "original";
        case UpdateState::trial: return "on trial";
        case UpdateState::updated: return "updated";
        case UpdateState::refused: return "as before the last update, which failed";
    }
    return "unknown";
}

TextResult text_status(Subject subject, Thread&) {
    Description description;
    const auto number = find_service(*subject.zone, subject.name, description);
    if (!number) return Errno::ENOENT;
    const std::string dma = dma_of(*subject.zone, *number);
    Text text;
    text << "name: " << name_of(description) << "\nstate: " << state_name(description.state)
         << "\nrestarts: " << description.restarts << "\nuptime_ns: " << description.uptime
         << "\ncpu_ns: " << description.cpu_time << "\npages: " << description.pages
         << "\npages_limit: " << description.pages_limit << "\nkeep_pages: " << description.keep_pages
         << "\ndma: " << dma
         << (dma == "open"               ? " (no iommu)"
             : dma.starts_with("domain") ? " (iommu)"
                                         : "")
         << "\ndeaths: " << description.deaths << "\nrecovery_ns: " << description.recovery
         << "\nexecutable: " << update_name(description.updated) << "\ncause: " << cause_of(description)
         << '\n';
    return text.take();
}

/// Where `update` without a file's name finds a component's executable.
constexpr std::string_view kUpdates = "/lib/pith/";

Async<> write_control(Subject subject, Thread& writer, std::string order) {
    if (writer.process.credentials.euid != 0) return Errno::EPERM;
    std::string_view text = order;
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    if (constexpr std::string_view kUpdate = "update"; text.starts_with(kUpdate)) {
        text.remove_prefix(kUpdate.size());
        if (!text.empty() && text.front() != ' ') return Errno::EINVAL;
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        return update_service(
            writer, subject.name,
            !text.empty() ? std::string(text) : std::string(kUpdates) + subject.name + ".elf");
    }
    static constexpr std::pair<std::string_view, ControlAction> kActions[] = {
        {"kill", ControlAction::kill},
        {"restart", ControlAction::restart},
        {"stop", ControlAction::stop},
        {"start", ControlAction::start},
        {"hang", ControlAction::hang}};
    const auto action = std::find_if(std::begin(kActions), std::end(kActions),
                                     [&](const auto& item) { return item.first == text; });
    if (action == std::end(kActions) || subject.name.size() >= kNameSize) return Errno::EINVAL;
    Supervisor::Control control{};
    std::memcpy(control.name, subject.name.data(), subject.name.size());
    control.action = static_cast<u32>(action->second);
    auto done = subject.zone->services->process.call(control);
    if (done.ok()) return {};
    return done.error() == Error::bad_state ? Errno::ESRCH : to_errno(done.error());  // it does not run
}

constinit const ProcEntry kServiceEntries[] = {
    {.name = "control", .mode = S_REGULAR | 0200, .write_waiting = write_control},
    {"status", S_REGULAR | 0444, text_status},
};
constinit const ProcEntry kService{"", S_DIRECTORY | 0555, nullptr, nullptr, nullptr, kServiceEntries};

const ProcEntry* find_service_entry(ProcSubject& subject, std::string_view name) {
    Description description;
    if (!find_service(*subject.zone, name, description)) return nullptr;
    subject.name = std::string(name);
    return &kService;
}

std::string next_service(Subject subject, u64& key) {
    Description description;
    return describe(*subject.zone, key, description) ? std::string(name_of(description)) : std::string();
}

TextResult text_kernel(Subject subject, Thread&) {
    auto reply = subject.zone->services->process.call(Supervisor::Counts{});
    if (!reply.ok()) return to_errno(reply.error());
    const abi::KernelCounts& counts = reply->counts;
    static constexpr const char* kTypes[] = {"none",      "pool",     "memory",   "space", "captable",
                                             "thread",    "budget",   "endpoint", "reply", "signal",
                                             "interrupt", "io_ports", "machine"};
    Text text;
    for (u32 type = 1; type < std::size(kTypes); ++type)
        text << "objects." << kTypes[type] << ' ' << counts.objects[type] << '\n';
    text << "capabilities " << counts.capabilities << "\nslots " << counts.slots << "\npages.total "
         << counts.pages_total << "\npages.free " << counts.pages_free << "\npages.tables "
         << counts.pages_tables << "\npages.objects " << counts.pages_objects << "\npages.memory "
         << counts.pages_memory << "\npages.quarantine " << counts.pages_quarantine << "\nmappings "
         << counts.mappings << '\n';
    return text.take();
}

TextResult text_enosys(Subject subject, Thread&) {
    Text text;
    for (const auto& [number, times] : subject.zone->statistics.unknown_calls) {
        text << number << ' ' << (number >= 0 ? syscall_name(static_cast<u64>(number)) : "?") << ' ' << times
             << '\n';
    }
    return text.take();
}

TextResult text_crashes(Subject subject, Thread&) {
    u64 sequence = 0;
    return crash_reports(*subject.zone, sequence);
}

TextResult text_log(Subject subject, Thread&) { return system_log_text(*subject.zone); }

constinit const ProcEntry kPith[] = {
    {"services", S_DIRECTORY | 0555, text_services, nullptr, nullptr, {}, find_service_entry, next_service},
    {"crashes", S_REGULAR | 0400, text_crashes},
    {"kernel", S_REGULAR | 0444, text_kernel},
    {"enosys", S_REGULAR | 0444, text_enosys},
    {"log", S_REGULAR | 0444, text_log},
};

}  // namespace

constinit const ProcEntry kProcPith{.mode = S_DIRECTORY | 0555, .entries = kPith};

}  // namespace pith::lx
