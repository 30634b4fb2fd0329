// SPDX-License-Identifier: MIT
// The first virtio disk's own registers, behind its driver's back: what a test does that plays a device gone wrong.
#pragma once

#include "lib/driver/registers.hpp"
#include "lib/os/mapping.hpp"

namespace pith::test {

class Sabotage {
  public:
    /// `machine`: with right devices. The device must be in use.
    static Result<Sabotage> begin(const Handle<Machine>& machine);
    /// Does what has the device say that it needs a reset.
    void spoil_queue() const;
    /// Resets it: it forgets what it was to do, and says nothing.
    void silence() const;
    /// It has had none since.
    bool spoilt() const;

  private:
    Owned<Memory> memory_;
    Mapping mapping_;
    u64 common_ = 0;  // offset of the common configuration
};

}  // namespace pith::test
