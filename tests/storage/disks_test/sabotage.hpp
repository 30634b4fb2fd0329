// SPDX-License-Identifier: MIT
// The first disk's own registers, behind its driver's back: what a test does that plays a device gone wrong.
#pragma once

#include "lib/driver/registers.hpp"
#include "lib/os/mapping.hpp"

namespace pith::test {

class Sabotage {
  public:
    /// `access`: with right devices. `driver`: whose disk. The device must be in use.
    static Result<Sabotage> begin(const Handle<Machine>& access, std::string_view driver);
    /// Does what has the device say that it needs a reset.
    void spoil() const;
    /// Resets it: it forgets what it was to do, and says nothing.
    void silence() const;
    /// It has had no reset since it was spoilt.
    bool spoilt() const;

  private:
    Result<> map(const Handle<Machine>& access, u64 address);
    MmioBlock registers() const { return MmioBlock(mapping_.as<u8>(offset_)); }

    bool nvme_ = false;
    Owned<Memory> memory_;
    Mapping mapping_;
    u64 offset_ = 0;  // of the registers in it
};

}  // namespace pith::test
