// SPDX-License-Identifier: MIT
#include "servers/console/log_reader.hpp"

#include <algorithm>

#include "lib/base/format.hpp"
#include "lib/os/clock.hpp"

namespace pith::console {
namespace {

constexpr u32 kAtOnce = 64;                  // records
constexpr usize kLine = Log::kMaxText + 80;  // a record as text

std::span<const u8> bytes_of(std::string_view text) {
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

}  // namespace

void LogReader::watch() {
    if (now() < retry_time_) return;
    const Severity severity = store_.core().setup.log != 0 ? Severity::debug : Severity::crash;
    ReceivedHandles unwanted;
    HandleList handles;
    handles.add(signal_, rights(abi::SignalRight::notify));
    watching_ = client_
                    .call_once(Log::Watch{bits_, static_cast<u64>(severity)}, handles, unwanted,
                               now() + kPatience)
                    .ok();
    if (!watching_) retry_time_ = now() + kRetry;
    pending_ = watching_;  // also what was written before
}

bool LogReader::room() {
    return streams_.space(Channel::control) >= sizeof(mux::ControlHeader) + mux::kMaxControl &&
           streams_.space(Channel::log) >= kLine && streams_.space(Channel::tty) >= kLine;
}

bool LogReader::collect() {
    if (!client_.valid()) return false;
    if (!watching_) watch();
    bool found = false;
    ReceivedHandles unwanted;
    more_ = false;
    for (u32 count = 0; pending_ && room(); count++) {
        // Whoever logs may write as fast as this reads.
        more_ = count == kAtOnce;
        if (more_) break;
        auto record = client_.call_once(Log::Read{store_.core().log_sequence}, HandleList(), unwanted,
                                        now() + kPatience);
        if (!record.ok()) {
            pending_ = false;
            if (record.error() != Error::would_block) watching_ = false;
            break;
        }
        pass(*record);
        store_.core().log_sequence = record->sequence + 1;
        found = true;
    }
    return found;
}

void LogReader::pass(const Log::Read::Reply& record) {
    const std::string_view text(record.text, std::min<usize>(record.length, Log::kMaxText));
    const Setup& setup = store_.core().setup;
    const bool crash = record.severity == static_cast<u32>(Severity::crash);
    if (crash && setup.plain == 0) { streams_.append_control(mux::ControlKind::crash_line, bytes_of(text)); }
    if (setup.log == 0 && !(crash && setup.plain != 0)) return;
    const std::string_view field(record.name, sizeof(record.name));
    const std::string_view name = field.substr(0, field.find('\0'));
    char line[kLine];
    const u64 microseconds = record.time / kMicrosecond;
    const std::string_view whole = format_to(line, "[{5}.{06}] {}: {}{}\n", microseconds / 1'000'000,
                                             microseconds % 1'000'000, name, text,
                                             setup.plain != 0 ? "\r" : "");
    streams_.append(setup.plain != 0 ? Channel::tty : Channel::log, bytes_of(whole));
}

}  // namespace pith::console
