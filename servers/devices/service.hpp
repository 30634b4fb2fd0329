// SPDX-License-Identifier: MIT
// The protocol: what a driver asks for is looked up, made and recorded. Nothing is looked at before the first driver asks.
#pragma once

#include <cstring>

#include "lib/base/format.hpp"
#include "lib/driver/device.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/trace.hpp"
#include "protocol/device.hpp"
#include "protocol/log.hpp"
#include "servers/devices/bus.hpp"
#include "servers/devices/grants.hpp"
#include "servers/devices/iommu/iommu.hpp"
#include "servers/devices/store.hpp"

namespace pith::devices {

struct Record {
    enum Kind : u32 { opened = 1, region, message, dma, stopped } kind;
    u32 place;
    u64 value;
    const char* trace_name() const {
        switch (kind) {
            case opened: return "opened";
            case region: return "region";
            case message: return "message";
            case dma: return "dma";
            case stopped: return "stopped";
        }
        return "?";
    }
    u64 trace_value() const { return place; }
};

class Service {
  public:
    Service(EventLoop& loop, Handle<Machine> machine, u64 rsdp, Handle<Pool> keep, Handle<CapTable> kept,
            Handle<Memory> preserved);
    /// At the start: a predecessor's devices are seen to, if they are behind an IOMMU.
    void take_over();

    Result<Devices::Find::Reply> handle(const Devices::Find& request, Badge caller);
    void handle(const Devices::Open& request, Request<Devices::Open> call);
    void handle(const Devices::Close& request, Request<Devices::Close> call);
    Result<Devices::Configuration::Reply> handle(const Devices::Configuration& request, Badge caller);
    void handle(const Devices::Region& request, Request<Devices::Region> call);
    void handle(const Devices::Interrupt& request, Request<Devices::Interrupt> call);
    void handle(const Devices::DmaMemory& request, Request<Devices::DmaMemory> call);
    Result<Devices::Domain::Reply> handle(const Devices::Domain& request, Badge caller);

  private:
    static constexpr u32 kMaxGrants = kMaxDomains;
    struct Region {
        Handle<Memory> memory;
        u64 length;
    };
    /// Of a driver's devices that reached beyond their memory.
    struct Told {
        abi::Time again;  ///< when the log may be told again
        u64 left_out;     ///< since it was
    };

    Result<> map_state();
    Result<> begin();
    void read_grants();
    const Grant* grant_of(u32 owner, const Function& function) const;
    /// The caller's device; access: it isn't.
    Result<Function*> owned(Badge caller, u64 place);
    /// The same, and it has been opened.
    Result<Function*> opened(Badge caller, u64 place);
    u64 dma_limit(u32 owner) const;

    Task<void> open(Function& function, Request<Devices::Open> call);
    Task<void> close(Function& function, Request<Devices::Close> call);
    void stop_resetting();
    Task<Result<>> reset(Function& function);
    Task<Result<>> disable_nvme(const Function& function);
    Result<Region> region(u32 owner, const Function& function, u64 bar, u64 offset);
    Result<Handle<Interrupt>> message(u32 owner, const Function& function, u32 number);
    Result<> program(const Function& function, u32 number, const Kept& message);
    static void program_only(const Function& function, const ConfigSpace& config, const Kept& message);
    Result<Kept*> dma(u32 owner, const Function& function, u64 key, u64 size);

    // confinement.cpp
    Result<> confine();
    Result<> find_iommu();
    void find_tables();
    Result<> use_tables(const Handle<Memory>& memory, u64 address);
    Result<> make_room(u32 pages);
    bool confirmed(const Kept& kept);
    Result<> settle();
    Result<> start_anew();
    Result<> watch_faults();
    /// 0: it has no devices.
    u32 domain_of(u32 owner) const;
    /// The device reaches what its domain has, and nothing else.
    bool confined(const Function& function) {
        return iommu_.confines(function.place, [this](u32 bridge) { return bus_.behind(bridge); });
    }
    Result<> fill_domain(u32 domain);
    Result<> reserve_reach(u32 domain, u64 address, u64 size);
    Result<> let_reach(u32 domain, u64 address, u64 size);
    Result<> attach(u32 owner, const Function& function);
    Result<> detach(const Function& function);
    void bring_to_rest(Function& function);
    void take_faults();
    void stop(const DmaFault& fault);
    void tell(const DmaFault& fault, u32 place, u32 domain);
    void report(std::string_view text) const;

    EventLoop& loop_;

    const Handle<Memory> preserved_;
    Mapping mapping_;  // of it
    const Handle<Machine> machine_;
    const u64 rsdp_;
    const Handle<Pool> keep_;
    Store store_;
    Bus bus_;
    Iommu iommu_;
    InterruptLine fault_line_;
    Told told_[kMaxDomains + 1] = {};  // by domain
    const Client<Log> log_ = Client<Log>::from_start();
    Grant grants_[kMaxGrants];
    u32 grant_count_ = 0;
    bool begun_ = false;
    bool complained_ = false;  // in the log, that it can't be turned on
    bool confined_ = false;    // the IOMMU is on, or there is none that can be
    bool resetting_ = false;   // one at a time: it takes a while
    WaitList resetters_;
    TraceRing<Record> trace_;
};

}  // namespace pith::devices
