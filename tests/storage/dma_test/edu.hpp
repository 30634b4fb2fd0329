// SPDX-License-Identifier: MIT
// QEMU's device for teaching (docs/specs/edu): it copies between memory and a buffer of its own, from and to any address of 28
// bits that it is told.
#pragma once

#include "lib/driver/pci.hpp"

namespace pith::test {

class Edu {
  public:
    static constexpr u64 kBufferSize = 2048;  ///< of what it has, so much is used

    /// The first device of this component's, opened.
    Result<> begin(const Client<Devices>& client);
    Result<> open_again() { return device_.open(); }
    const PciDevice& device() const { return device_; }
    /// Two pages that it can reach.
    const DmaMemory& memory() const { return memory_; }

    /// Copies `size` bytes from memory to its buffer. timed_out: it doesn't come to an end.
    Result<> read(u64 address, u64 size) const { return run(address, kBuffer, size, kRun); }
    /// And from there to memory.
    Result<> write(u64 address, u64 size) const { return run(kBuffer, address, size, kRun | kToMemory); }
    /// As `read`, with an interrupt at its end, which comes again until it is acknowledged.
    Result<> read_and_tell(u64 address, u64 size) const { return run(address, kBuffer, size, kRun | kTell); }
    void acknowledge() const;
    /// As `write`, without waiting; `wait` does.
    void begin_write(u64 address, u64 size) const { begin_run(kBuffer, address, size, kRun | kToMemory); }
    Result<> wait() const;

  private:
    static constexpr u64 kBuffer = 0x40000;
    static constexpr u64 kRun = 1;
    static constexpr u64 kToMemory = 2;
    static constexpr u64 kTell = 4;
    void begin_run(u64 source, u64 destination, u64 size, u64 command) const;
    Result<> run(u64 source, u64 destination, u64 size, u64 command) const {
        begin_run(source, destination, size, command);
        return wait();
    }
    PciDevice device_;
    PciRegion region_;
    DmaMemory memory_;
};

/// Waits.
void sleep(abi::Time time);

}  // namespace pith::test
