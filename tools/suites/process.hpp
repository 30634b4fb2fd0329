// SPDX-License-Identifier: MIT
// Runs a host command to its end, or to its time limit, and keeps what it printed.
#pragma once

#include <string>
#include <vector>

namespace pith::tools {

struct Command {
    std::vector<std::string> arguments;
    double timeout = 60;                   ///< seconds
    std::string directory;                 ///< "": ours
    bool separate_errors = false;          ///< stderr into Finished::errors instead of among the output
    std::vector<std::string> environment;  ///< "NAME=value", added to ours
};

struct Finished {
    int status = 0;  ///< exit status; 128 + n by signal n; 124 when the time was up
    std::string output;
    std::string errors;
    double seconds = 0;
};

/// stdin is /dev/null, signals have their default actions. The command is the leader of a process group, all of which is killed
/// when the time is up.
Finished run_command(const Command& command);

}  // namespace pith::tools
