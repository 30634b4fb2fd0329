// SPDX-License-Identifier: MIT
// What clients say of their suppliers. kViolations reports in one life of a supplier are its end; but of each client at most kMostBlame ends in a
// window are believed, so that a client that lies can't keep its suppliers from their work.
#include "servers/supervisor/system.hpp"

namespace pith::supervisor {

namespace {

constexpr u32 kViolations = 3;
constexpr u32 kMostBlame = 3;
constexpr abi::Time kBlameWindow = 60 * kSecond;

}  // namespace

Result<> System::violation(u32 client, std::string_view route, std::string_view what) {
    ComponentRecord& accuser = records_->components[client];
    for (const CompositionNeed& need : composition_.needs(component(client))) {
        if (composition_.string(need.as) != route || need.supplier >= count()) continue;
        const abi::Time time = now();
        if (time - accuser.blame_start > kBlameWindow) {
            accuser.blame_start = time;
            accuser.blame = 0;
        }
        if (accuser.blame >= kMostBlame) return Error::busy;
        if (record(need.supplier).state != ComponentState::running) return {};
        Life& life = lives_[need.supplier];
        reporter_.line(Severity::warning, "{} breaks the protocol, says {}: {}", name_of(need.supplier),
                       name_of(client), what);
        if (++life.violations < kViolations) return {};
        accuser.blame++;
        char text[96];
        // What is essential to the system is not for its clients to end.
        if (static_cast<RestartPolicy>(component(need.supplier).restart) == RestartPolicy::essential)
            return {};
        died(need.supplier, format_to(text, "breaks the protocol, says {}: {}", name_of(client), what));
        return {};
    }
    return Error::not_found;
}

}  // namespace pith::supervisor
