// SPDX-License-Identifier: MIT
// Carries a fault out on one life of a component.
#pragma once

#include <vector>

#include "servers/chaos/intruder.hpp"
#include "servers/chaos/random.hpp"
#include "servers/chaos/target.hpp"

namespace pith::chaos {

class Injector {
  public:
    explicit Injector(Random& random) : random_(random) {}
    /// Errors: unsupported: there is no way to do it (now).
    Result<> inject(Fault fault, const Insides& insides);
    /// The life is over, or not of interest any more: what was made for it goes.
    void clean_up() { kept_.clear(); }

  private:
    Result<> run_gadget(Fault fault, Intruder& intruder, u64 rip);
    Result<> storm(const Handle<Signal>& signal);
    Result<> exhaust(const Handle<Pool>& pool);
    Result<> flip_stack(Intruder& intruder, u64 rsp);
    Result<> flip_code(Intruder& intruder, u64 rip);
    Result<> spoil(Intruder& intruder, Fault fault);

    Random& random_;
    std::vector<Owned<Memory>> kept_;
};

}  // namespace pith::chaos
