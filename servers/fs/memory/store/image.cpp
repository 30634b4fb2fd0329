// SPDX-License-Identifier: MIT
#include "servers/fs/memory/store/image.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>

namespace pith::memory_fs {

u32 Image::check(u32 word, u64 old, u64 index) {
    const u64 words[] = {word, old, index};
    return static_cast<u32>(hash(words, 3, 0x106));
}

/// The order in which the memory is written is that of the program: nothing but the server's death can come between.
void Image::store(u64 offset, u64 value) {
    before();
    std::atomic_signal_fence(std::memory_order_seq_cst);
    std::atomic_ref(*reinterpret_cast<u64*>(memory_.data() + offset)).store(value, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

void Image::set(u64 offset, u64 value) {
    const u64 old = at<u64>(offset), index = super().logged;
    if (old == value) return;
    if (index >= kLogEntries) {
        overflowed_ = true;
        return;
    }
    const auto word = static_cast<u32>(offset / 8);
    store(entry(index), word | u64{check(word, old, index)} << 32);
    store(entry(index) + offsetof(Entry, old), old);
    store(offsetof(Super, logged), index + 1);
    store(offset, value);
}

void Image::set32(u64 offset, u32 value) {
    const u32 shift = offset % 8 != 0 ? 32 : 0;
    const u64 base = offset / 8 * 8;
    set(base, (at<u64>(base) & ~(u64{0xffff'ffff} << shift)) | u64{value} << shift);
}

void Image::put(u64 offset, const void* from, usize size) {
    for (usize done = 0; done < size; done += 8) {
        u64 value;
        std::memcpy(&value, static_cast<const u8*>(from) + done, sizeof value);
        set(offset + done, value);
    }
}

void Image::write(u64 offset, std::span<const u8> from) {
    // In halves, so that tests die in the middle too.
    for (const auto part : {from.first(from.size() / 2), from.subspan(from.size() / 2)}) {
        before();
        std::memcpy(memory_.data() + offset, part.data(), part.size());
        offset += part.size();
    }
}

void Image::zero(u64 offset, u64 size) {
    before();
    std::memset(memory_.data() + offset, 0, size);
}

void Image::finish() { store(offsetof(Super, logged), 0); }

Result<> Image::undo() {
    const u64 count = super().logged;
    if (count > kLogEntries) return Error::io;
    for (u64 i = 0; i < count; i++) {
        const auto& each = at<Entry>(entry(i));
        if (each.check != check(each.word, each.old, i) || each.word >= memory_.size() / 8) return Error::io;
    }
    for (u64 i = count; i-- > 0;) {
        const auto& each = at<Entry>(entry(i));
        store(u64{each.word} * 8, each.old);
    }
    finish();
    overflowed_ = false;
    return {};
}

}  // namespace pith::memory_fs
