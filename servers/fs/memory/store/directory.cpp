// SPDX-License-Identifier: MIT
// Store: names in a directory, in slots that they keep until they go, so that a slot's number is a cookie.
#include <cstring>

#include "servers/fs/memory/store/store.hpp"

namespace pith::memory_fs {

namespace {

constexpr u64 slots_for(usize length) { return (sizeof(Slot) + length + kSlot - 1) / kSlot; }

}  // namespace

u16 Store::tag(std::string_view name) {
    u32 sum = 0x811c'9dc5;
    for (const char c : name) sum = (sum ^ static_cast<u8>(c)) * 0x0100'0193;
    return static_cast<u16>(sum ^ sum >> 16);
}

/// Null: it is spoilt.
const Slot* Store::slot(u32 page, u64 index) {
    const Slot& slot = image_.at<Slot>(at(page) + index * kSlot);
    if (slot.inode == 0) return &slot;
    const bool sound = slot.inode < geometry_.inodes && slot.slots != 0 && slot.slots <= kSlots - index &&
                       slot.length != 0 && slots_for(slot.length) == slot.slots;
    if (!sound) broken_ = true;
    return sound ? &slot : nullptr;
}

Result<Store::Listed> Store::next_name(const Node& directory, u64 from) {
    for (; from / kSlots < directory.size / kPage; from++) {
        const u32 page = find(directory, from / kSlots);
        const Slot* const here = page != 0 ? slot(page, from % kSlots) : nullptr;
        if (here == nullptr) return spoilt();
        if (here->inode == 0) continue;
        return Listed{
            here->inode, from + here->slots, {reinterpret_cast<const char*>(here + 1), here->length}};
    }
    return Error::not_found;
}

Result<Store::Found> Store::find(const Node& directory, std::string_view name) {
    const u16 wanted = tag(name);
    for (u64 i = 0; i < directory.size / kPage; i++) {
        const u32 page = find(directory, i);
        if (page == 0) return spoilt();
        for (u64 index = 0; index < kSlots;) {
            const Slot* const here = slot(page, index);
            if (here == nullptr) return spoilt();
            if (here->inode != 0 && here->tag == wanted && here->length == name.size() &&
                std::memcmp(here + 1, name.data(), name.size()) == 0)
                return Found{at(page) + index * kSlot, here->inode};
            index += here->inode != 0 ? here->slots : 1;
        }
    }
    return Error::not_found;
}

/// `directory` is to be saved.
Result<> Store::insert(Node& directory, std::string_view name, u32 inode) {
    const u64 need = slots_for(name.size());
    u64 words[kNameSlots * kSlot / 8] = {};
    const Slot head{inode, static_cast<u8>(name.size()), static_cast<u8>(need), tag(name)};
    std::memcpy(words, &head, sizeof head);
    std::memcpy(words + 1, name.data(), name.size());
    for (u64 i = 0; i < directory.size / kPage; i++) {
        const u32 page = find(directory, i);
        if (page == 0) return spoilt();
        u64 room = 0;
        for (u64 index = 0; index < kSlots;) {
            const Slot* const here = slot(page, index);
            if (here == nullptr) return spoilt();
            room = here->inode == 0 ? room + 1 : 0;
            index += here->inode != 0 ? here->slots : 1;
            if (room != need) continue;
            image_.put(at(page) + (index - need) * kSlot, words, need * kSlot);
            return {};
        }
    }
    const u32 page = PITH_TRY(make(directory, directory.size / kPage, true));
    directory.size += kPage;
    image_.put(at(page), words, need * kSlot);
    return {};
}

void Store::erase(u64 where) {
    const u64 slots = image_.at<Slot>(where).slots;
    for (u64 i = 0; i < slots; i++) image_.set(where + i * kSlot, 0);
}

}  // namespace pith::memory_fs
