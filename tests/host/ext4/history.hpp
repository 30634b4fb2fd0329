// SPDX-License-Identifier: MIT
// What was done to a recording disk, step by step, and what must be there after the power went at any moment of it.
#pragma once

#include "lib/ext4/file_system.hpp"
#include "tests/host/ext4/devices.hpp"
#include "tests/host/ext4/image.hpp"
#include "tests/host/ext4/model.hpp"

namespace pith::ext4::test {

/// Goes on by a second with each call.
Time test_time(void* = nullptr);
constexpr MountOptions kOptions{.now = test_time};

struct Moment {
    usize events;  ///< of the disk, when the step (or sync) had returned
    u64 step;      ///< the last one
    bool synced;
    NodePointer tree;
};

struct History {
    std::unique_ptr<RecordingDisk> disk;
    std::vector<Moment> moments;
    std::string wrong;    ///< a step was answered wrongly
    bool failed = false;  ///< it ends with an error of the disk
};

/// Random steps on a new image, and now and then a sync. `prepare` sees the disk when all is mounted.
History work(const std::vector<u8>& image, u64 seed, int steps, u64 sizes,
             const std::function<void(RecordingDisk&)>& prepare = {});

/// "" when `system` holds what was durable at a cut after `events`.
std::string judge(FileSystem& system, const History& history, usize events);
/// Mounts, which replays; judges; unmounts; e2fsck checks.
std::string recover(std::vector<u8> content, const History& history, usize events);
/// e2fsck replays, and finds nothing else to be repaired; judged too.
std::string repair(std::vector<u8> content, const History& history, usize events);

}  // namespace pith::ext4::test
