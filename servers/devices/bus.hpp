// SPDX-License-Identifier: MIT
// The PCI buses: configuration space as firmware's MCFG table places it (PCI Firmware 3.2, 4.1.2), the functions that are
// there, and places for their BARs. Buses behind bridges are looked at where firmware has numbered them.
#pragma once

#include <span>

#include "lib/driver/acpi.hpp"
#include "servers/devices/state.hpp"

namespace pith::devices {

class Bus {
  public:
    Bus(const Handle<Machine>& machine, u64 rsdp) : machine_(machine), rsdp_(rsdp) {}
    /// Finds configuration space, and the functions: by looking, or in what a predecessor left. Before anything
    /// else. not_found: the machine has no PCI that we know.
    Result<> begin(State& state);

    std::span<Function> functions() { return {state_->functions, state_->function_count}; }
    /// nullptr: there is none at that place.
    Function* find(u64 place);
    Result<ConfigSpace> config(const Function& function) { return config(function.place); }
    /// The buses that firmware has put behind a bridge.
    DmarBuses behind(u32 bridge);
    /// Sets and clears bits of its command register.
    void set_command(const Function& function, u16 set, u16 clear);
    /// Gives each memory BAR a place of its own, if it hasn't one. The function doesn't answer in memory meanwhile.
    /// no_space.
    Result<> place_bars(Function& function);
    /// No BAR is to be placed there.
    void take(u64 address, u64 size);

  private:
    /// Configuration space of some buses of a segment.
    struct Segment {
        u64 base;  ///< of bus 0
        u32 number;
        u32 first_bus, last_bus;
    };
    struct MappedBus {
        u32 number = 0;  ///< segment << 8 | bus
        Mapping mapping;
    };
    struct Taken {
        u64 address, size;
    };
    static constexpr u32 kMaxTaken = 8;
    static constexpr u32 kMaxSegments = 4;
    static constexpr u32 kMaxBuses = 16;

    Result<> read_segments();
    Result<ConfigSpace> config(u32 place);
    void look();
    void look_at_bus(const Segment& segment, u32 bus, u32 (&seen)[8]);
    void add(u32 place, const ConfigSpace& config);
    void confirm();
    void take_others(AddressMap& map, const Function& function);
    bool refused(u64 address, u64 size) const;
    Result<u64> place_for(AddressMap& map, const Bar& bar) const;

    const Handle<Machine>& machine_;
    const u64 rsdp_;
    State* state_ = nullptr;
    Segment segments_[kMaxSegments];
    u32 segment_count_ = 0;
    MappedBus buses_[kMaxBuses];
    u32 bus_count_ = 0;
    Taken taken_[kMaxTaken];
    u32 taken_count_ = 0;
};

}  // namespace pith::devices
