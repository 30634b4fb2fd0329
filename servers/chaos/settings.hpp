// SPDX-License-Identifier: MIT
// What a run is to be hit with: the records of run/config (protocol/run.hpp) that say so.
#pragma once

#include <string>
#include <vector>

#include "lib/os/clock.hpp"
#include "servers/chaos/fault.hpp"

namespace pith::chaos {

struct Settings {
    abi::Time interval = 0;            ///< from one fault to the next; 0: none at all
    u64 seed = 1;                      ///< of all choices
    std::vector<std::string> targets;  ///< none: every component that is started again
    std::vector<std::string> spared;   ///< and not these
    std::vector<Fault> faults;         ///< at least one
    bool log = false;                  ///< each hit is told too, before the table
    std::string complaint;             ///< a fault that there is none of; empty: all is well
};

/// From the bundle; without a run/config nothing is to be done.
Settings read_settings();

}  // namespace pith::chaos
