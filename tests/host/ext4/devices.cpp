// SPDX-License-Identifier: MIT
#include "tests/host/ext4/devices.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace pith {

void assertion_failed(const char* text) {
    std::fprintf(stderr, "assertion failed: %s\n", text);
    std::abort();
}

}  // namespace pith

namespace pith::ext4::test {

namespace {

void check(bool right, const char* text, u64 offset, usize size) {
    if (right) return;
    std::fprintf(stderr, "%s: offset %llu, size %zu\n", text, static_cast<unsigned long long>(offset), size);
    std::abort();
}

}  // namespace

bool MemoryDisk::fails() {
    const u64 request = requests_++;
    return failing_ && (only_one_ ? request == fail_at_ : request >= fail_at_);
}

Result<> MemoryDisk::read(u64 offset, void* to, usize size) {
    check(offset % kSectorSize == 0 && size % kSectorSize == 0 && size > 0, "not whole sectors", offset,
          size);
    check(offset <= content_.size() && size <= content_.size() - offset, "read outside the disk", offset,
          size);
    if (fails()) return Error::io;
    std::memcpy(to, content_.data() + offset, size);
    return {};
}

Result<> MemoryDisk::write(u64 offset, const void* from, usize size) {
    check(offset % kSectorSize == 0 && size % kSectorSize == 0 && size > 0, "not whole sectors", offset,
          size);
    check(offset <= content_.size() && size <= content_.size() - offset, "write outside the disk", offset,
          size);
    check(!read_only_, "write to a disk that may only be read", offset, size);
    if (fails()) return Error::io;
    writes_++;
    std::memcpy(content_.data() + offset, from, size);
    return {};
}

Result<> MemoryDisk::flush() {
    if (fails()) return Error::io;
    flushes_++;
    return {};
}

Result<> RecordingDisk::write(u64 offset, const void* from, usize size) {
    PITH_CHECK(MemoryDisk::write(offset, from, size));
    const auto* bytes = static_cast<const u8*>(from);
    for (usize at = 0; at < size;) {
        const usize piece = offset + at == 1024 && size - at >= 1024 ? 1024 : kSectorSize;
        events_.push_back({offset + at, std::vector<u8>(bytes + at, bytes + at + piece)});
        at += piece;
    }
    return {};
}

std::vector<u8> RecordingDisk::cut(usize events, const std::function<bool()>& survives) const {
    std::vector<u8> content = before_;
    usize flushed = 0;
    for (usize i = 0; i < events; i++)
        if (events_[i].data.empty()) flushed = i + 1;
    for (usize i = 0; i < events; i++) {
        const Event& event = events_[i];
        if (event.data.empty() || (i >= flushed && !survives())) continue;
        std::memcpy(content.data() + event.offset, event.data.data(), event.data.size());
    }
    return content;
}

Result<> RecordingDisk::flush() {
    PITH_CHECK(MemoryDisk::flush());
    events_.emplace_back();
    return {};
}

}  // namespace pith::ext4::test
