// SPDX-License-Identifier: MIT
// syslog(2): the system log as dmesg reads it.
#include <string.h>

#include <algorithm>
#include <string>

#include "servers/linux/services.hpp"
#include "servers/linux/syscall.hpp"
#include "servers/linux/syslog.hpp"
#include "servers/linux/time_types.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr i32 kClose = 0, kOpen = 1, kRead = 2, kReadAll = 3, kReadClear = 4, kClear = 5, kConsoleOff = 6,
              kConsoleOn = 7, kConsoleLevel = 8, kSizeUnread = 9, kSizeBuffer = 10;
constexpr i32 kBufferBytes = 64 << 10;

constinit u64 cleared = 0;  ///< records below this one are not shown by READ_ALL
constinit u64 unread = 0;   ///< next for READ

/// All records from `sequence` on, as text; moves it.
std::string read_log(Zone& zone, u64& sequence) {
    std::string text;
    while (true) {
        auto record = zone.services->log.call(Log::Read{sequence});
        if (!record.ok()) return text;
        sequence = record->sequence + 1;
        append_log_line(text, *record);
    }
}

}  // namespace

void append_log_line(std::string& text, const Log::Read::Reply& record) {
    const u64 microseconds = record.time / 1000;
    const std::string seconds = std::to_string(microseconds / 1'000'000);
    const std::string fraction = std::to_string(1'000'000 + microseconds % 1'000'000).substr(1);
    text += '<';
    text += std::to_string(record.severity);
    text += ">[";
    if (seconds.size() < 5) text.append(5 - seconds.size(), ' ');
    text += seconds + '.' + fraction + "] ";
    text += std::string_view(record.name, strnlen(record.name, sizeof record.name));
    text += ": ";
    text += std::string_view(record.text, std::min<usize>(record.length, sizeof record.text));
    text += '\n';
}

Outcome sys_syslog(Thread& thread, const SyscallArgs& args) {
    const auto action = static_cast<i32>(args.a0);
    const auto length = static_cast<i32>(args.a2);
    Zone& zone = thread.zone();
    switch (action) {
        case kClose:
        case kOpen:
        case kConsoleOff:
        case kConsoleOn: return 0;
        case kConsoleLevel: return length < 1 || length > 8 ? Outcome(Errno::EINVAL) : Outcome(0);
        case kSizeBuffer: return kBufferBytes;
        case kSizeUnread: {
            u64 sequence = unread;
            return read_log(zone, sequence).size();
        }
        case kClear: {
            u64 sequence = cleared;
            read_log(zone, sequence);
            cleared = sequence;
            return 0;
        }
        case kRead:
        case kReadAll:
        case kReadClear: {
            if (args.a1 == 0 || length < 0) return Errno::EINVAL;
            u64 sequence = action == kRead ? unread : cleared;
            std::string text = read_log(zone, sequence);
            if (action == kRead) unread = sequence;
            if (action == kReadClear) cleared = sequence;
            // What does not fit goes from the front, by lines.
            while (text.size() > static_cast<usize>(length)) {
                const usize end = text.find('\n');
                text.erase(0, end == std::string::npos ? text.size() : end + 1);
            }
            if (const auto done = copy_out(thread, args.a1, text.data(), text.size()); !done.ok())
                return done.error();
            return text.size();
        }
        default: return Errno::EINVAL;
    }
}

}  // namespace pith::lx
