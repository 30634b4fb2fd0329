// SPDX-License-Identifier: MIT
#include "tests/host/ext4/history.hpp"

namespace pith::ext4::test {

Time test_time(void*) {
    static i64 seconds = 1'700'000'000;
    return {seconds++, 123'456'789};
}

History work(const std::vector<u8>& image, u64 seed, int steps, u64 sizes,
             const std::function<void(RecordingDisk&)>& prepare) {
    History history;
    history.disk = std::make_unique<RecordingDisk>(image);
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(*history.disk, kOptions);
    if (!mounted.ok()) {
        history.wrong = "mount";
        return history;
    }
    FileSystem& system = *mounted.value();
    const FileId root = system.root().value();
    Actor actor(system, std::make_shared<Node>(Node{Node::directory, {}, {}, root}), seed);
    actor.set_sizes(sizes);
    const auto note = [&](bool synced) {
        history.moments.push_back({history.disk->events().size(), actor.count(), synced, copy(actor.root())});
    };
    if (!system.sync().ok()) history.wrong = "sync";
    note(true);
    if (prepare) prepare(*history.disk);
    for (int i = 0; i < steps && history.wrong.empty(); i++) {
        history.wrong = actor.step();
        note(false);
        history.failed = actor.failed();
        if (history.failed) break;
        if (actor.random()() % 8 != 0) continue;
        if (const Result<> synced = system.sync(); !synced.ok()) {
            history.failed = true;
            break;
        }
        note(true);
    }
    return history;
}

std::string judge(FileSystem& system, const History& history, usize events) {
    // The last sync that had returned, and everything that had begun.
    usize synced = 0, last = 0;
    while (last < history.moments.size() && history.moments[last].events <= events) {
        if (history.moments[last].synced) synced = last;
        last++;
    }
    if (last == history.moments.size()) last--;
    // What files held is certain only where nothing was done to them since. A step that was cut off is the one before `last`.
    std::map<u32, u64> touched;
    for (usize at = synced; at <= last; at++) collect_touched(*history.moments[at].tree, touched);
    std::string wrong;
    for (usize at = last + 1; at-- > synced;) {
        const Node& tree = *history.moments[at].tree;
        const std::string difference = compare_settled(system, tree.id, tree, touched,
                                                       history.moments[synced].step + 1);
        if (difference.empty()) return "";
        wrong += "  step " + std::to_string(history.moments[at].step) + ": " + difference + "\n";
    }
    return "no state from the last sync on:\n" + wrong;
}

std::string recover(std::vector<u8> content, const History& history, usize events) {
    MemoryDisk disk(std::move(content));
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, kOptions);
    if (!mounted.ok()) return "mount: error " + std::to_string(static_cast<u32>(mounted.error()));
    if (std::string wrong = judge(*mounted.value(), history, events); !wrong.empty()) return wrong;
    if (!mounted.value()->reap_orphans().ok()) return "reap_orphans";
    if (!mounted.value()->unmount().ok()) return "unmount";
    return check(disk.content());
}

std::string repair(std::vector<u8> content, const History& history, usize events) {
    std::string said;
    if (std::string wrong = e2fsck(content, "-fy", &said); !wrong.empty()) return wrong;
    if (said.find("? yes") != std::string::npos) return "more than the journal was repaired:\n" + said;
    if (std::string wrong = check(content); !wrong.empty()) return wrong;
    MemoryDisk disk(std::move(content));
    disk.set_read_only();
    Result<std::unique_ptr<FileSystem>> mounted = FileSystem::mount(disk, {.read_only = true});
    if (!mounted.ok())
        return "mount after e2fsck: error " + std::to_string(static_cast<u32>(mounted.error()));
    return judge(*mounted.value(), history, events);
}

}  // namespace pith::ext4::test
