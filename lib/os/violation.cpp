// SPDX-License-Identifier: MIT
#include "lib/os/violation.hpp"

#include <algorithm>
#include <cstring>

#include "lib/os/protocol.hpp"
#include "protocol/process.hpp"

namespace pith {

namespace {

constexpr abi::Time kPatience = 10 * kMillisecond;

}  // namespace

void report_violation(const Handle<Endpoint>& server, std::string_view what) {
    const NamedHandle* parent = find_start_handle("supervisor");
    if (parent == nullptr || !server.valid()) return;
    Lifecycle::Violation report{};
    for (u32 i = 0; i < start_info().handle_count; i++) {
        const NamedHandle& entry = start_info().handles[i];
        if (entry.handle != server.index()) continue;
        std::memcpy(report.route, entry.name, sizeof(report.route) - 1);
        report.length = std::min(what.size(), sizeof(report.what));
        std::memcpy(report.what, what.data(), report.length);
        Message message;
        detail::encode(message, Lifecycle::Violation::kOpcode, report, HandleList());
        static_cast<void>(ipc_send(parent->handle, message, now() + kPatience));
        return;
    }
}

}  // namespace pith
