// SPDX-License-Identifier: MIT
#include "servers/chaos/fault.hpp"

namespace pith::chaos {

namespace {

constexpr std::string_view kNames[kFaults] = {"kill",          "kill_again", "both",  "exit",     "null",
                                              "wild",          "execute",    "loop",  "deadlock", "stack",
                                              "wrong_replies", "no_replies", "storm", "pool",     "registers",
                                              "code",          "data",       "heap",  "shared"};

}  // namespace

std::string_view name_of(Fault fault) { return kNames[static_cast<usize>(fault)]; }

std::optional<Fault> find_fault(std::string_view name) {
    for (usize i = 0; i < kFaults; i++)
        if (kNames[i] == name) return static_cast<Fault>(i);
    return std::nullopt;
}

}  // namespace pith::chaos
