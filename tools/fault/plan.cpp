// SPDX-License-Identifier: MIT
// Which loads, which faults, and how often.
#include <algorithm>

#include "tools/fault/campaign.hpp"

namespace pith::tools {

namespace {

constexpr u32 kShortSeconds = 6, kLongSeconds = 30;

const std::vector<Load>& loads() {
    using Needs = Load::Needs;
    static const std::vector<Load> list = {
        {"files",
         "storage",
         "files.sh",
         {"FAULT_MOUNT=mount -t ext4 /dev/vda /mnt", "FAULT_PLACE=/mnt", "FAULT_AGAIN=1"},
         Needs::disk},
        {"sqlite", "storage", "sqlite.sh", {}, Needs::disk, true},
        {"forks", "storage", "forks.sh", {}, Needs::disk},
        {"shell", "storage", "", {}, Needs::disk},
        {"download", "default", "download.sh", {}, Needs::server, false, 320'000},
        {"transfer", "default", "transfer.sh", {}, Needs::server, false, 8'600'000},
        {"redis", "storage", "redis.sh", {}, Needs::root, false, 0, "redis_visitor.sh", 6379},
        {"ssh", "storage", "ssh.sh", {}, Needs::root, false, 0, "ssh_visitor.sh", 22},
        {"nvme", "nvme", "device.sh", {"FAULT_DEVICE=/dev/nvme0n1"}, Needs::nvme},
        {"share",
         "share",
         "files.sh",
         {"FAULT_MOUNT=true", "FAULT_PLACE=/share", "FAULT_AGAIN="},
         Needs::share},
        {"memory",
         "memory",
         "files.sh",
         {"FAULT_MOUNT=mount -t memory none /mnt", "FAULT_PLACE=/mnt", "FAULT_AGAIN="}},
        {.name = "service",
         .system = "storage",
         .script = "service.sh",
         .environment = {},
         .needs = Needs::disk,
         .target = "linux",
         .pace = 30},
    };
    return list;
}

const std::vector<FaultClass>& classes() {
    static const std::vector<FaultClass> list = {
        {"kills", {"kill", "kill_again", "both"}, 50},
        {"crashes", {"exit", "null", "wild", "execute", "stack"}, 50},
        {"hangs", {"loop", "deadlock", "no_replies", "storm", "pool"}, 100},
        {"lies", {"wrong_replies"}, 100, {"supervisor"}, true},
        {"silent", {"registers", "code", "data", "heap", "shared"}, 100, {"supervisor"}, true},
    };
    return list;
}

/// A Linux server that goes on wrongly may do to its files whatever its programs may: that proves nothing.
bool fits(const Load& load, const FaultClass& kind) { return load.target.empty() || !kind.silent; }

std::vector<FaultRun> plan_for(u32 seed, u32 seconds) {
    std::vector<FaultRun> plan;
    for (const Load& load : loads())
        for (const FaultClass& kind : classes())
            if (fits(load, kind)) plan.push_back({load, kind, seed, seconds * (load.target.empty() ? 1 : 4)});
    return plan;
}

}  // namespace

std::vector<FaultRun> short_plan() { return plan_for(1, kShortSeconds); }

std::vector<FaultRun> long_plan(u32 round) { return plan_for(1000 + round, kLongSeconds); }

std::vector<FaultRun> steady_plan() {
    static const std::vector<std::pair<std::string, std::vector<std::string>>> of = {
        {"virtio_blk", {"files", "sqlite"}},
        {"nvme", {"nvme"}},
        {"ext4", {"files", "sqlite"}},
        {"virtio_9p", {"share"}},
        {"devices", {"files", "transfer"}},
        {"virtio_net", {"transfer", "redis", "ssh"}},
        {"net", {"transfer", "redis", "ssh"}},
        {"uart16550", {"shell"}},
        {"console", {"shell"}},
        {"log", {"forks"}},
        {"supervisor", {"files", "shell", "transfer", "redis"}},
    };
    std::vector<FaultRun> plan;
    for (const auto& [target, names] : of)
        for (const Load& load : loads())
            if (std::ranges::find(names, load.name) != names.end())
                plan.push_back({load, {target, {"kill"}, 200, {}, false, {target}}, 1, 60});
    return plan;
}

}  // namespace pith::tools
