// SPDX-License-Identifier: MIT
// One remapping hardware unit (Intel VT-d 3.0): turned on, made to forget, asked for faults. Invalidations go through its
// queue, and each is waited for.
#pragma once

#include <initializer_list>

#include "lib/driver/dmar.hpp"
#include "lib/os/mapping.hpp"
#include "servers/devices/iommu/pages.hpp"
#include "servers/devices/iommu/registers.hpp"

namespace pith::devices {

/// What a device did that it may not.
struct DmaFault {
    u16 source;  ///< bus << 8 | device << 3 | function
    u8 reason;   ///< VT-d 3.0, appendix A.1
    bool read;
    u64 address;  ///< of the page
};

class RemappingUnit {
  public:
    /// What the unit has in memory.
    struct Memory {
        u64 root;    ///< the root table
        u64 queue;   ///< a page of descriptors
        u64 status;  ///< a word that it writes when it has waited
    };
    /// Maps its registers. `machine`: right devices.
    Result<> open(const Handle<Machine>& machine, const DmarUnit& unit);

    /// It works the way that we drive it, with domains 1 to `domains`.
    bool suits(u32 domains) const;
    bool takes(u32 levels) const;
    bool coherent() const { return get_field<vtd::ExtendedCapability::Coherent>(extended_) != 0; }

    /// What it uses from `start` or `resume` on, which come before all below.
    void use(const TablePages& pages, const Memory& memory);
    /// It is on, and uses what we have: a predecessor turned it on.
    bool running() const;
    /// Turns it on; if it was, with other tables, devices must be at rest. Errors: timed_out, io: it doesn't do it.
    Result<> start();
    /// Has it do these, and waits. Errors: timed_out, io.
    Result<> invalidate(std::initializer_list<vtd::Descriptor> descriptors);
    /// Entries are there that were not before: has it do these if it remembers what is not there (6.1, caching mode).
    Result<> announce(std::initializer_list<vtd::Descriptor> descriptors);

    /// Has it raise the interrupt by which faults are told.
    void set_interrupt(u64 address, u64 data) const;
    /// Takes a fault that it has recorded. False: there is none.
    bool take_fault(DmaFault& fault) const;
    /// After all have been taken: that some were lost, and errors of the queue, are forgotten. True: there are new ones.
    bool clear_fault_status() const;

  private:
    static constexpr u32 kQueueEntries = abi::kPageSize / sizeof(vtd::Descriptor);
    MmioBlock registers(u64 offset = 0) const { return MmioBlock(mapping_.as<u8>(offset)); }
    template <typename R>
    R read() const {
        return registers().read<R>();
    }
    template <typename R>
    void write(typename R::Value value) const {
        R r;
        r.value = value;
        registers().write(r);
    }
    Result<> command(u32 bit, bool on, u32 wanted) const;
    Result<> flush_writes() const;
    u64* status_word() const;
    Result<> wait_for_status(u32 value) const;

    Owned<pith::Memory> memory_;
    Mapping mapping_;  // of the registers
    vtd::Capability capability_;
    vtd::ExtendedCapability extended_;
    u64 faults_ = 0;  // where fault recording registers are
    u32 fault_count_ = 0;
    const TablePages* pages_ = nullptr;
    Memory place_{};
};

}  // namespace pith::devices
