// SPDX-License-Identifier: MIT
#include "tests/network/ethernet_test/harness.hpp"

#include <cstring>

namespace pith::test {

Context context;

bool control(std::string_view name, ControlAction action) {
    Process::Control request{};
    std::memcpy(request.name, name.data(), name.size());
    request.action = static_cast<u32>(action);
    return context.process.call(request).ok();
}

bool restart(std::string_view name) { return control(name, ControlAction::restart); }

u64 restarts(std::string_view name) {
    for (u64 index = 0;; index++) {
        auto reply = context.process.call(Process::Describe{index});
        if (!reply.ok()) return 0;
        if (name == reply->name) return reply->restarts;
    }
}

}  // namespace pith::test
