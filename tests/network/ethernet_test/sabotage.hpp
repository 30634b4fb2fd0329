// SPDX-License-Identifier: MIT
// The interface's own registers, behind its driver's back: what a test does that plays a device gone wrong.
#pragma once

#include "lib/driver/registers.hpp"
#include "lib/os/mapping.hpp"

namespace pith::test {

class Sabotage {
  public:
    /// `machine`: with right devices. The device must be in use.
    static Result<Sabotage> begin(const Handle<Machine>& machine);
    /// Does what has the device say that it needs a reset.
    void spoil() const;
    /// Resets it: it forgets what it was to do, and says nothing.
    void silence() const;
    /// It has had no reset since it was silenced or spoilt: it isn't at work.
    bool at_work() const;

  private:
    MmioBlock registers() const { return MmioBlock(mapping_.as<u8>(offset_)); }
    Owned<Memory> memory_;
    Mapping mapping_;
    u64 offset_ = 0;  // of the registers in it
};

}  // namespace pith::test
