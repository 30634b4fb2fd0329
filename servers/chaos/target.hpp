// SPDX-License-Identifier: MIT
// A component that is hit: how to reach it, whether it serves, and what became of it.
#pragma once

#include <string>
#include <vector>

#include "lib/os/protocol.hpp"
#include "protocol/process.hpp"
#include "servers/chaos/fault.hpp"

namespace pith::chaos {

/// What it takes to act on one life of a component.
struct Insides {
    u64 generation = 0;
    Handle<Thread> thread;
    Handle<Space> space;
    Handle<Pool> pool;
    Handle<Signal> signal;
};

/// Counts of one kind of fault on one component.
struct Outcome {
    u32 injected = 0;
    u32 detected = 0;              ///< its life ended by it
    u32 recovered = 0;             ///< and it served again
    u32 refused = 0;               ///< it was not there to be hit
    std::vector<abi::Time> times;  ///< nanoseconds from the fault (kills) or its end to serving again
};

class Target {
  public:
    /// Errors: access: it may not be hit; not_found.
    static Result<Target> find(const Client<Process>& process, std::string_view name);
    std::string_view name() const { return name_; }
    /// Programs die with it.
    bool essential() const { return essential_; }

    Result<Insides> reach(const Client<Process>& process) const;
    /// Starts so far, and when the last life ended.
    struct Life {
        u64 generation;
        abi::Time ended;  ///< 0: that is not known
    };
    Result<Life> life(const Client<Process>& process) const;
    /// Sends it a message, whatever comes of it: it runs.
    void wake() const;
    Result<> control(const Client<Process>& process, ControlAction action) const;
    /// Waits until a life after `generation` answers requests. Errors: timed_out; held_down.
    Result<> wait_until_serving(const Client<Process>& process, u64 generation, abi::Time deadline) const;

    Outcome outcomes[kFaults];

  private:
    std::string name_;
    bool essential_ = false;
    Handle<Endpoint> endpoint_;
};

/// Waits without doing anything.
void pause_until(abi::Time time);

}  // namespace pith::chaos
