// SPDX-License-Identifier: MIT
// Epoll sets.
#include "servers/linux/vfs/epoll.hpp"
#include "servers/linux/heap_guard.hpp"

#include "servers/linux/vfs/format.hpp"

namespace pith::lx {

namespace {
constexpr u32 kAlways = kPollError | kPollHangUp;
constexpr u32 kModes = kEpollExclusive | kEpollWakeUp | kEpollOneShot | kEpollEdge;
constexpr u32 kMostNested = 5;
}  // namespace

/// An item's place in one wait queue.
class EpollFile::Entry : public WaitEntry {
  public:
    Entry(Item& item, bool exclusive) : WaitEntry(&called, exclusive), item_(item) {}

  private:
    static bool called(WaitEntry& entry, u32 events);
    Item& item_;
};

struct EpollFile::Item : Poller {
    Item(EpollFile& in, File& of, i32 number, const EpollEvent& what)
        : set(in), file(of), descriptor(number), events(what.events | kAlways), data(what.data) {}
    void watch(WaitQueue& queue) override {
        entries.emplace_back(*this, (events & kEpollExclusive) != 0);
        queue.add(entries.back());
    }
    EpollFile& set;
    File& file;
    i32 descriptor;
    u32 events;
    u64 data;
    std::deque<Entry> entries;
    Item* file_next = nullptr;
    Item* ready_next = nullptr;
    Item* ready_previous = nullptr;
    bool ready = false;
};

bool EpollFile::Entry::called(WaitEntry& entry, u32 happened) {
    Item& item = static_cast<Entry&>(entry).item_;
    // Disabled (one-shot), or nothing that it waits for.
    if ((item.events & ~kModes & ~kAlways) == 0 && (item.events & kEpollOneShot) != 0) return false;
    if (happened != 0 && (happened & item.events) == 0) return false;
    return item.set.make_ready(item);
}

EpollFile::EpollFile(Path file_path, u32 open_flags) : File(std::move(file_path), open_flags) {}

EpollFile::~EpollFile() {
    while (!items_.empty()) destroy(*items_.begin()->second);
}

bool EpollFile::make_ready(Item& item) {
    if (!item.ready) {
        item.ready = true;
        item.ready_next = nullptr;
        item.ready_previous = ready_last_;
        (ready_last_ != nullptr ? ready_last_->ready_next : ready_first_) = &item;
        ready_last_ = &item;
    }
    bool woken = waiters.wake(kPollIn);
    if (!polling_) {
        polling_ = true;
        woken = poll_waiters.wake(kPollIn | kPollReadNormal, ~0u) || woken;
        polling_ = false;
    }
    return woken;
}

void EpollFile::unready(Item& item) {
    if (!item.ready) return;
    item.ready = false;
    (item.ready_previous != nullptr ? item.ready_previous->ready_next : ready_first_) = item.ready_next;
    (item.ready_next != nullptr ? item.ready_next->ready_previous : ready_last_) = item.ready_previous;
}

void EpollFile::destroy(Item& item) {
    unready(item);
    Item** link = reinterpret_cast<Item**>(&item.file.epoll_items);
    while (*link != &item) link = &(*link)->file_next;
    *link = item.file_next;
    items_.erase(Key{&item.file, item.descriptor});
}

void forget_epoll_items(File& file) {
    while (file.epoll_items != nullptr) {
        auto& item = *static_cast<EpollFile::Item*>(file.epoll_items);
        item.set.destroy(item);
    }
}

u32 EpollFile::depth_below(const File& file, const EpollFile& root, u32 limit) {
    if (&file == &root || limit == 0) return kMostNested + 1;
    if (file.kind() != FileKind::epoll) return 0;
    u32 depth = 0;
    for (const auto& [key, item] : static_cast<const EpollFile&>(file).items_) {
        depth = std::max(depth, depth_below(item->file, root, limit - 1));
    }
    return depth + 1;
}

SysResult<> EpollFile::add(Ref<File> file, i32 descriptor, const EpollEvent& event) {
    if (!file->pollable()) return Errno::EPERM;
    if (depth_below(*file, *this, kMostNested) > kMostNested) return Errno::ELOOP;
    if ((event.events & kEpollExclusive) != 0 && file->kind() == FileKind::epoll) return Errno::EINVAL;
    const Key key{file.get(), descriptor};
    if (items_.contains(key)) return Errno::EEXIST;
    if (heap_low()) return Errno::ENOSPC;
    Item& item = *(items_[key] = std::make_unique<Item>(*this, *file, descriptor, event));
    item.file_next = static_cast<Item*>(file->epoll_items);
    file->epoll_items = &item;
    if ((file->poll(&item) & item.events) != 0) make_ready(item);
    return {};
}

SysResult<> EpollFile::modify(File& file, i32 descriptor, const EpollEvent& event) {
    const auto found = items_.find(Key{&file, descriptor});
    if (found == items_.end()) return Errno::ENOENT;
    Item& item = *found->second;
    if (((item.events | event.events) & kEpollExclusive) != 0) return Errno::EINVAL;
    item.events = event.events | kAlways;
    item.data = event.data;
    if ((file.poll(nullptr) & item.events) != 0) make_ready(item);
    else unready(item);
    return {};
}

SysResult<> EpollFile::remove(File& file, i32 descriptor) {
    const auto found = items_.find(Key{&file, descriptor});
    if (found == items_.end()) return Errno::ENOENT;
    destroy(*found->second);
    return {};
}

std::vector<EpollEvent> EpollFile::collect(usize most) {
    std::vector<EpollEvent> found;
    std::vector<Item*> again;
    while (ready_first_ != nullptr && found.size() < most) {
        Item& item = *ready_first_;
        unready(item);
        const u32 bits = item.file.poll(nullptr) & item.events;
        if (bits == 0) continue;
        found.push_back({bits, item.data});
        if ((item.events & kEpollOneShot) != 0) item.events &= kModes;
        else if ((item.events & kEpollEdge) == 0) again.push_back(&item);
    }
    // Level-triggered ones are looked at again next time, behind the others.
    for (Item* item : again) {
        if (item->ready) continue;
        item->ready = true;
        item->ready_next = nullptr;
        item->ready_previous = ready_last_;
        (ready_last_ != nullptr ? ready_last_->ready_next : ready_first_) = item;
        ready_last_ = item;
    }
    return found;
}

u32 EpollFile::poll(Poller* poller) {
    if (poller != nullptr) poller->watch(poll_waiters);
    if (polling_) return 0;
    polling_ = true;
    u32 bits = 0;
    for (Item* item = ready_first_; item != nullptr && bits == 0;) {
        Item* next = item->ready_next;
        if ((item->file.poll(nullptr) & item->events) != 0) bits = kPollIn | kPollReadNormal;
        else unready(*item);
        item = next;
    }
    polling_ = false;
    return bits;
}

std::string EpollFile::describe_state() const {
    Text text;
    for (const auto& [key, item] : items_) {
        text << "tfd: ";
        text.right(static_cast<u64>(item->descriptor), 8) << " events: ";
        text.hex(item->events, 8) << " data: ";
        text.hex(item->data, 16) << '\n';
    }
    return text.take();
}

}  // namespace pith::lx
