// SPDX-License-Identifier: MIT
// One network interface: the device, its client and its link; when the device is reset. What becomes of frames: frames.hpp.
#pragma once

#include "drivers/net/virtio_net/frames.hpp"
#include "lib/driver/device.hpp"
#include "lib/driver/virtio/device.hpp"
#include "lib/os/lull.hpp"
#include "lib/os/patience.hpp"
#include "lib/os/trace.hpp"

namespace pith::virtio_net {

/// What is kept of an interface for the driver's next life. All zero at the first start.
struct Kept {
    u64 client;  ///< its badge; 0: nobody's
    Ethernet::Statistics::Reply counts;
    Handover handover;
};

/// For the driver's trace.
struct Record {
    enum Kind : u32 { opened = 1, reset, link, served } kind;
    u32 a;  ///< interface
    u64 b;  ///< pairs of queues; frames being sent; up; frames received so far
    const char* trace_name() const {
        switch (kind) {
            case opened: return "opened";
            case reset: return "reset";
            case link: return "link";
            case served: return "served";
        }
        return "?";
    }
    u64 trace_value() const { return b; }
};

class Interface {
  public:
    struct Setup {
        u32 index;
        u64 submitted_bit;  ///< of the loop's Signal: the client has submitted something. Whoever handles it calls `serve`
        u64 changed_bit;     ///< the device's state or configuration has changed: `look`
        const Lull& lull;    ///< after it is asked, `gathered` is called
        abi::Time patience;  ///< of the host's time: a device that sends nothing for so long is reset
    };
    Interface(PciDevice&& device, EventLoop& loop, Kept& kept, const Setup& setup)
        : device_(std::move(device)),
          loop_(loop),
          kept_(kept),
          setup_(setup),
          frames_(kept.counts, kept.handover) {}
    Interface(const Interface&) = delete;
    Interface& operator=(const Interface&) = delete;

    void open(const Ethernet::Open& request, Request<Ethernet::Open> call);
    const Ethernet::Statistics::Reply& counts() const { return kept_.counts; }
    /// Takes what the client has submitted and the device has done; tells them what is new.
    void serve();
    void look();
    /// There is nothing more urgent to do than to take what the device has received meanwhile.
    void gathered();

  private:
    static constexpr u64 kRingsKey = 1;  // of the first pair of queues; the others' follow
    static constexpr u64 kLinkKey = 16;
    static constexpr u64 kControlKey = 17;
    static constexpr u32 kLeastMtu = 68, kMostMtu = 2048 - Ethernet::kHeaderSize, kUsualMtu = 1500;
    static constexpr abi::Time kLookInterval = kSecond;
    /// What comes soon after other frames waits for so long at most while programs run.
    static constexpr abi::Time kGatherTime = 500'000;
    static constexpr abi::Time kControlPatience = 200 * kMillisecond;

    struct Watch : Timer {
        explicit Watch(Interface& interface)
            : Timer([](Timer& timer) { static_cast<Watch&>(timer).self.watch(); }), self(interface) {}
        Interface& self;
    };
    struct Gather : Timer {
        explicit Gather(Interface& interface)
            : Timer([](Timer& timer) { static_cast<Gather&>(timer).self.gathered(); }), self(interface) {}
        Interface& self;
    };

    // device.cpp
    Result<> start();
    Result<> bring_up();
    Result<> get_rings(u32 pairs);
    Result<u32> agree();
    Result<u32> try_features(u64& wanted);
    Result<> start_queues(u32 pairs);
    Result<> set_pairs(u32 pairs);
    Result<> get_interrupts();
    Result<> read_address();
    u32 ethernet_features() const;  ///< as protocol/ethernet.hpp has them
    void read_link();
    void kick();
    void tell_device(u16 queue);

    Result<Ethernet::Open::Reply> take_up();
    void stop();
    void restart();
    void watch();
    void gather();

    PciDevice device_;
    EventLoop& loop_;
    Kept& kept_;
    const Setup setup_;
    VirtioDevice virtio_;
    u64 features_ = 0;
    u32 mtu_ = kUsualMtu;
    u8 address_[6] = {};
    DmaMemory rings_[Frames::kMaxPairs];
    DmaMemory control_;
    Virtqueue control_queue_;
    u16 control_index_ = 0;
    DmaMemory link_;
    InterruptLine line_;
    Handle<Interrupt> config_line_;
    bool attached_ = false;  ///< registers and interrupts are had
    bool works_ = false;
    Handle<Signal> client_;
    u64 client_bits_ = 0;
    Frames frames_;
    Watch watch_{*this};
    Gather gather_{*this};
    u64 sent_ = 0;          ///< frames_.sent(), as it was
    HostDeadline overdue_;  ///< when that should have changed
    abi::Time restarted_at_ = 0;
    const bool traced_ = (start_info().flags & kStartTraced) != 0;
    TraceRing<Record> trace_;
};

}  // namespace pith::virtio_net
