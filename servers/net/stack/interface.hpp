// SPDX-License-Identifier: MIT
// The network interface: lwIP's netif on Port's frames; its addresses, by DHCP and by router advertisements; and what the client is told of it.
#pragma once

#include <span>
#include <utility>

#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include "servers/net/stack/merge.hpp"
#include "servers/net/stack/port.hpp"
#include "servers/net/stack/records.hpp"

namespace pith::stack {

class Interface {
  public:
    Interface(Port& port, Records& records);

    void attach(const InterfaceSetup& setup);
    void set_link(bool up);
    void receive(u64 id, std::span<u8> frame, bool checksum_good);
    /// Passes on what may have waited for further segments.
    void flush();
    /// Segments of which the one that lwIP is given consists.
    u32 merged() const { return merged_; }
    bool attached() const { return attached_; }
    /// DHCP waits for an answer.
    bool configuring() const;
    /// Periods of dhcp_fine_tmr() until it does something; 0: it has nothing to do.
    u32 dhcp_ticks() const;
    /// Writes what has changed where the client sees it; whether anything had.
    bool publish(Net::Link& link);
    /// DHCP's.
    void set_name_server(u32 number, const ip_addr_t& server);
    void set_domain(const char* text, u32 length);
    void changed() { dirty_ = true; }
    /// Received frames that lwIP holds.
    u32 held() const { return held_; }
    const netif& device() const { return netif_; }
    netif& device() { return netif_; }
    /// There is room for so many frames now, or there is a round when there may be.
    bool room(u32 frames) { return port_.room(frames); }
    /// There was no room for a frame since the last time that it was asked.
    bool take_starved() { return std::exchange(starved_, false); }

  private:
    static constexpr u32 kBuffers = 512;
    static constexpr u32 kMaxHeld = 96;  ///< of the driver's buffers; more are copied
    static constexpr u32
        kHeaders = 128;  ///< of a long frame: more than Ethernet's, IP's and TCP's with all options
    static constexpr u32 kCopied = 256;  ///< a frame that is not longer is copied as a whole
    struct Lent {
        pbuf_custom base;  ///< first: lwIP gives back its address
        Interface* interface;
        u64 id;
        Lent* next;
    };
    static err_t initialize(netif* device);
    static err_t transmit(netif* device, pbuf* packet);
    static void returned(pbuf* packet);
    err_t transmit(pbuf* packet);
    pbuf* take_frame(u64 id, std::span<u8> frame);
    void pass_on(pbuf* packet, u16 checks);
    void use_lease();
    void keep_lease();

    Port& port_;
    Records& records_;
    netif netif_{};
    InterfaceSetup setup_{};
    bool attached_ = false;
    bool starved_ = false;
    bool dirty_ = true;
    u32 held_ = 0;
    Merger merger_;
    u32 merged_ = 1;
    u8 last_dhcp_state_ = 0;
    Lease lease_{};
    Lent* free_ = nullptr;
    Lent lent_[kBuffers];
    u64 received_frames_ = 0, received_bytes_ = 0, receive_drops_ = 0, sent_frames_ = 0, sent_bytes_ = 0,
        send_drops_ = 0;
    u64 counts_shown_ = 0;
};

}  // namespace pith::stack
