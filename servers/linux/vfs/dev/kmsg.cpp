// SPDX-License-Identifier: MIT
// The kernel log.
#include "servers/linux/vfs/dev/kmsg.hpp"

#include <algorithm>
#include <cstring>

#include "protocol/log.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

/// The next record; false: there is none.
bool next_record(Zone& zone, u64 sequence, Log::Read::Reply& record) {
    const Client<Log>& log = zone.services->log;
    if (!log.valid()) return false;
    auto reply = log.call(Log::Read{sequence});
    if (!reply.ok() || reply->length > Log::kMaxText) return false;
    record = reply.value();
    return true;
}

std::string_view writer(const Log::Read::Reply& record) {
    return {record.name, strnlen(record.name, sizeof record.name)};
}

u32 level(const Log::Read::Reply& record) { return std::clamp(record.severity, 2u, 7u); }

/// A read gives one record, as Linux formats it: "6,339,5140900,-;text".
class KernelLogFile : public File {
  public:
    using File::File;
    Zone& zone() const { return inode().file_system().zone; }
    Async<usize> read(Thread&, UserIo&& io, i64) override {
        Log::Read::Reply record;
        // There is no wake-up on new records here: what is not there yet is the end for now.
        if (!next_record(zone(), static_cast<u64>(offset), record)) return Errno::EAGAIN;
        Text text;
        text << level(record) << ',' << record.sequence << ',' << record.time / 1000 << ",-;"
             << writer(record) << ": " << std::string_view(record.text, record.length) << '\n';
        if (text.string().size() > io.remaining()) return Errno::EINVAL;
        offset = static_cast<i64>(record.sequence + 1);
        return io.put(text.string().data(), text.string().size());
    }
    Async<usize> write(Thread&, UserIo&& io, i64) override {
        char buffer[Log::kMaxText];
        const usize size = io.remaining();
        const SysResult<usize> copied = io.get(buffer, std::min(size, sizeof buffer));
        if (!copied.ok()) return copied.error();
        write_kernel_log(zone(), {buffer, copied.value()});
        return size;
    }
    SysResult<i64> seek(i64 to, Whence whence) override {
        if (to != 0) return Errno::ESPIPE;
        if (whence == Whence::set) offset = 0;
        Log::Read::Reply record;
        if (whence == Whence::end) {
            while (next_record(zone(), static_cast<u64>(offset), record))
                offset = static_cast<i64>(record.sequence + 1);
        }
        return i64{0};
    }
    u32 poll(Poller*) override {
        Log::Read::Reply record;
        return next_record(zone(), static_cast<u64>(offset), record) ? kPollIn | kPollReadNormal : 0;
    }
};

}  // namespace

Async<Ref<File>> open_kernel_log(Thread&, const Path& path, u32 flags) {
    return Ref<File>(Ref<KernelLogFile>::make(path, flags));
}

std::string system_log_text(Zone& zone) {
    Text text;
    Log::Read::Reply record;
    for (u64 sequence = 0; next_record(zone, sequence, record); sequence = record.sequence + 1) {
        text << record.sequence << ' ';
        text.right(record.time / 1'000'000'000, 5) << '.';
        text.right(record.time / 1000 % 1'000'000, 6, '0')
            << ' ' << record.severity << ' ' << writer(record) << ": "
            << std::string_view(record.text, record.length) << '\n';
    }
    return text.take();
}

void write_kernel_log(Zone& zone, std::string_view text) {
    Log::Write record{};
    record.severity = static_cast<u32>(Severity::notice);
    if (text.size() >= 3 && text[0] == '<' && text[2] == '>' && text[1] >= '0' && text[1] <= '7') {
        record.severity = std::clamp(static_cast<u32>(text[1] - '0'), 3u, 7u);
        text.remove_prefix(3);
    }
    while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    record.length = static_cast<u32>(std::min(text.size(), Log::kMaxText));
    std::memcpy(record.text, text.data(), record.length);
    if (zone.services->log.valid()) static_cast<void>(zone.services->log.call(record));
}

}  // namespace pith::lx
