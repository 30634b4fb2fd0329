// SPDX-License-Identifier: MIT
// Runs of a guest that is hit with faults while a load runs in it (tests/fault): what is run, and what came of it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "abi/types.hpp"

namespace pith::tools {

/// What runs in the guest, and on which system.
struct Load {
    std::string name;
    std::string system;
    std::string script;  ///< of tests/fault/loads; empty: an interactive shell, to which pith_expect types
    std::vector<std::string> environment;
    /// server: a TCP port of the host that sends text; root: Debian with what the load needs.
    enum class Needs { nothing, disk, nvme, share, server, root } needs = Needs::nothing;
    bool sqlite = false;  ///< the host's sqlite3 goes along
    u32 lines = 0;        ///< of the server's text
    std::string
        visitor;  ///< a script of tests/fault/loads that is run on the host, first to `prepare`, then to `visit` the guest
    u16 visited_port = 0;  ///< the guest's, which it visits
    /// Only this component is hit; empty: all but the Linux server.
    std::string target = {};
    /// Times the class's interval is that of the faults: what is hit takes longer to come up than others, or the load to get further.
    u32 pace = 1;
};

/// Faults that belong together.
struct FaultClass {
    std::string name;
    std::vector<std::string> faults;       ///< names (docs/fault_injection.md)
    u32 interval = 0;                      ///< milliseconds
    std::vector<std::string> spared = {};  ///< components that they are not for
    /// They may spoil what the component is trusted with, without its noticing: the load may see that.
    bool silent = false;
    std::vector<std::string> targets = {};  ///< none: every component
};

struct FaultRun {
    Load load;
    FaultClass kind;
    u32 seed = 1;
    u32 seconds = 8;  ///< of the load
    std::string name() const { return load.name + " " + kind.name + " " + std::to_string(seed); }
};

/// One fault: a line of the runner's --chaos-log.
struct Hit {
    std::string target, fault, end;
    u64 time = 0;  ///< nanoseconds to serving again; 0: not known
};

struct FaultOutcome {
    FaultRun run;
    std::vector<Hit> hits;
    bool orderly = false;  ///< the machine came to its end by itself, and reported
    bool right = false;    ///< and the load found everything as it has to be
    double seconds = 0;
    std::string output;  ///< of the load and the runner
    /// No promise was broken.
    bool passed() const;
};

struct FaultTree {
    std::string root;   ///< the source tree
    std::string build;  ///< build/release
    std::string image;  ///< of Debian's root with redis-server and openssh-server; empty: there is none
};

/// Every load with every class, once, with fixed seeds: minutes.
std::vector<FaultRun> short_plan();
/// Each component by itself, killed every 200 ms for a minute under the loads that use it.
std::vector<FaultRun> steady_plan();
/// The `round`th part of a long campaign.
std::vector<FaultRun> long_plan(u32 round);

FaultOutcome carry_out(const FaultTree& tree, const FaultRun& run);

/// Whether all that a load says to have been acknowledged ("acknowledged N", counted from 1) is there when it looks ("found N").
bool keeps_its_word(const std::string& output);

/// Sums of many runs.
class FaultTable {
  public:
    void add(const FaultOutcome& outcome);
    u64 injected() const { return injected_; }
    /// Tables of targets, of faults and of loads.
    std::string text() const;

  private:
    struct Row {
        u64 injected = 0, detected = 0, recovered = 0, refused = 0;
        std::vector<u64> times;
        void add(const Hit& hit);
        std::string text(const std::string& name) const;
    };
    struct LoadRow {
        u64 runs = 0, right = 0, wrong = 0, disorderly = 0;
    };
    std::map<std::string, Row> targets_, faults_;
    std::map<std::string, LoadRow> loads_, silent_loads_;
    Row all_;
    u64 injected_ = 0;
};

}  // namespace pith::tools
