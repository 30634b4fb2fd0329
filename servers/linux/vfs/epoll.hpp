// SPDX-License-Identifier: MIT
// Epoll: a set of files whose events are waited for. Each item sits in the wait queues of its file; a wake-up puts it
// on the ready list, and waiting looks at those only. An item goes when its file is closed.
// Invariant: an item is in items_ of its set, in the list of its file, and on the ready list at most once.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

inline constexpr u32 kEpollExclusive = 1u << 28, kEpollWakeUp = 1u << 29, kEpollOneShot = 1u << 30,
                     kEpollEdge = 1u << 31;

struct EpollEvent {
    u32 events;
    u64 data;
} __attribute__((packed));
static_assert(sizeof(EpollEvent) == 12);

class EpollFile : public File {
  public:
    EpollFile(Path file_path, u32 open_flags);
    ~EpollFile() override;
    FileKind kind() const override { return FileKind::epoll; }
    SysResult<i64> seek(i64, Whence) override { return no_seek(); }

    SysResult<> add(Ref<File> file, i32 descriptor, const EpollEvent& event);
    SysResult<> modify(File& file, i32 descriptor, const EpollEvent& event);
    SysResult<> remove(File& file, i32 descriptor);
    /// Events that hold now, at most `most`; edge-triggered and one-shot ones are used up.
    std::vector<EpollEvent> collect(usize most);
    u32 poll(Poller* poller) override;
    std::string describe_state() const override;
    WaitQueue waiters;       ///< epoll_wait
    WaitQueue poll_waiters;  ///< those who poll the set itself

  private:
    friend void forget_epoll_items(File& file);
    struct Item;
    class Entry;
    using Key = std::pair<const File*, i32>;
    /// False: nobody was waiting for it.
    bool make_ready(Item& item);
    void unready(Item& item);
    void destroy(Item& item);
    static u32 depth_below(const File& file, const EpollFile& root, u32 limit);

    std::map<Key, std::unique_ptr<Item>> items_;
    Item* ready_first_ = nullptr;
    Item* ready_last_ = nullptr;
    bool polling_ = false;  ///< for sets that contain each other's files
};

/// A file is closed: it leaves all sets.
void forget_epoll_items(File& file);

}  // namespace pith::lx
