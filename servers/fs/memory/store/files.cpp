// SPDX-License-Identifier: MIT
// Store: what is in files.
#include <algorithm>
#include <cstring>

#include "servers/fs/memory/store/store.hpp"

namespace pith::memory_fs {

namespace {

constexpr u64 kStep = 256;  // pages that are allocated in one go, so that the log has room

constexpr u64 pages_of(u64 size) { return (size + kPage - 1) / kPage; }

}  // namespace

Result<usize> Store::read(const Node& file, u64 offset, std::span<u8> to) {
    if (!file.regular() && !file.link()) return Error::wrong_type;
    if (offset >= file.size) return usize{0};
    to = to.first(std::min<u64>(to.size(), file.size - offset));
    for (usize done = 0; done < to.size();) {
        const u64 within = (offset + done) % kPage;
        const auto part = to.subspan(done, std::min<u64>(to.size() - done, kPage - within));
        const u32 page = find(file, (offset + done) / kPage);
        if (page == 0) std::ranges::fill(part, u8{0});
        else std::memcpy(part.data(), image_.bytes(at(page) + within, part.size()).data(), part.size());
        done += part.size();
    }
    if (broken_) return Error::io;
    return to.size();
}

Result<u64> Store::seek(const Node& file, u64 offset, bool hole) {
    if (!file.regular()) return Error::wrong_type;
    if (offset >= file.size) return Error::not_found;
    // Behind what the tree reaches there are only holes.
    const u64 end = std::min(pages_of(file.size), u64{1} << (kFanBits * file.height));
    for (u64 index = offset / kPage; index < end; index++)
        if ((find(file, index) == 0) == hole) return std::max(offset, index * kPage);
    if (!hole) return Error::not_found;
    return std::clamp(end * kPage, offset, file.size);
}

Result<usize> Store::write(Node file, u64 offset, std::span<const u8> from, Fs::Time time) {
    if (!file.regular()) return Error::wrong_type;
    if (offset > kMaxSize || from.size() > kMaxSize - offset) return Error::no_space;
    if (from.empty()) return usize{0};
    grow(file, offset);
    usize done = 0;
    while (done < from.size()) {
        const u64 within = (offset + done) % kPage;
        const auto part = from.subspan(done, std::min<u64>(from.size() - done, kPage - within));
        Result<u32> page = make(file, (offset + done) / kPage, part.size() != kPage);
        if (page.error() == Error::no_space && done != 0) break;
        if (!page.ok()) return page.error();
        image_.write(at(*page) + within, part);
        done += part.size();
    }
    file.size = std::max<u64>(file.size, offset + done);
    file.modified = file.changed = time;
    save(file);
    return done;
}

Result<> Store::truncate(Node file, u64 size, Fs::Time time) {
    if (!file.regular()) return Error::wrong_type;
    if (size > kMaxSize) return Error::no_space;
    if (!grow(file, size)) cut(file, pages_of(size), ~u64{0});
    file.size = size;
    file.modified = file.changed = time;
    save(file);
    return {};
}

Result<> Store::allocate(Node file, u64 offset, u64 length, bool keep_size, Fs::Time time) {
    if (!file.regular()) return Error::wrong_type;
    if (length == 0) return Error::invalid;
    if (offset > kMaxSize || length > kMaxSize - offset) return Error::no_space;
    const u64 first = offset / kPage, last = pages_of(offset + length);
    if (last - first > geometry_.pages || missing(file, first, last) > free_) return Error::no_space;
    for (u64 index = first; index < last; index++) {
        static_cast<void>(PITH_TRY(make(file, index, true)));
        if ((index + 1 - first) % kStep != 0 || index + 1 == last) continue;
        // What is allocated by now stays.
        save(file);
        PITH_CHECK(finish());
    }
    if (!keep_size) grow(file, offset + length);
    file.changed = time;
    save(file);
    return {};
}

Result<> Store::punch(Node file, u64 offset, u64 length, Fs::Time time) {
    if (!file.regular()) return Error::wrong_type;
    const u64 end = length > kMaxSize || offset > kMaxSize - length ? kMaxSize : offset + length;
    // Pages that go in part only: before and behind those that go wholly.
    const auto clear = [&](u64 from, u64 to) {
        if (from >= to) return;
        if (const u32 page = find(file, from / kPage); page != 0)
            image_.zero(at(page) + from % kPage, to - from);
    };
    const u64 first = pages_of(offset), last = end / kPage;
    if (offset < kMaxSize) clear(offset, std::min(first * kPage, end));
    if (last >= first) clear(last * kPage, end);
    if (first < last) cut(file, first, last);
    file.modified = file.changed = time;
    save(file);
    return {};
}

}  // namespace pith::memory_fs
