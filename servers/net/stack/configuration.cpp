// SPDX-License-Identifier: MIT
// The interface's addresses: by DHCP, whose lease is written down for a successor, and by router advertisements; and the client's view of it all.
#include <algorithm>
#include <cstring>

#include <lwip/dhcp.h>
#include <lwip/priv/nd6_priv.h>
#include <lwip/prot/dhcp.h>
#include <netif/ethernet.h>
#include "servers/net/stack/interface.hpp"
#include "servers/net/stack/shared.hpp"

namespace pith::stack {
namespace {

constexpr u64 kSecond = 1'000'000'000;
constexpr u32
    kPatientTries = 3;  ///< of DHCP's, about 14 seconds, until programs need not wait for an address

u8 prefix_of(u32 mask) { return static_cast<u8>(__builtin_popcount(mask)); }

}  // namespace

void Interface::attach(const InterfaceSetup& setup) {
    setup_ = setup;
    dirty_ = true;
    if (attached_) {
        std::memcpy(netif_.hwaddr, setup.address, 6);
        return set_link(setup.link_up);
    }
    if (netif_add(&netif_, nullptr, nullptr, nullptr, this, initialize, ethernet_input) == nullptr) return;
    attached_ = true;
    netif_set_default(&netif_);
    netif_set_hostname(&netif_, "pith");
    netif_create_ip6_linklocal_address(&netif_, 1);
    netif_set_ip6_autoconfig_enabled(&netif_, 1);
    netif_set_up(&netif_);
    static_cast<void>(dhcp_start(&netif_));  // there is no carrier yet: it waits
    use_lease();
    set_link(setup.link_up);
}

void Interface::set_link(bool up) {
    if (!attached_) return;
    setup_.link_up = up;
    dirty_ = true;
    if (up) netif_set_link_up(&netif_);
    else netif_set_link_down(&netif_);
}

/// A predecessor's lease is used at once, and DHCP asks for the same address when there is a carrier (RFC 2131, section 3.2).
void Interface::use_lease() {
    Lease lease;
    if (!records_.read(lease)) return;
    lease_.count = lease.count;
    if (lease.ends != ~u64{0} && lease.ends <= port_.now()) return;
    u32 address, mask, gateway;
    std::memcpy(&address, lease.address, 4);
    std::memcpy(&mask, lease.mask, 4);
    std::memcpy(&gateway, lease.gateway, 4);
    dhcp* client = netif_dhcp_data(&netif_);
    if (address == 0 || client == nullptr || lease.server_count > Net::kMaxNameServers) return;
    lease_ = lease;
    const ip4_addr_t ip{address}, netmask{mask}, router{gateway};
    client->offered_ip_addr = ip;
    client->state = DHCP_STATE_BOUND;
    netif_set_addr(&netif_, &ip, &netmask, &router);
}

void Interface::keep_lease() {
    const dhcp* client = netif_dhcp_data(&netif_);
    std::memcpy(lease_.address, &netif_ip4_addr(&netif_)->addr, 4);
    std::memcpy(lease_.mask, &netif_ip4_netmask(&netif_)->addr, 4);
    std::memcpy(lease_.gateway, &netif_ip4_gw(&netif_)->addr, 4);
    lease_.ends = client->offered_t0_lease == 0xffffffff ? ~u64{0}
                                                         : port_.now() + client->offered_t0_lease * kSecond;
    records_.write(lease_);
}

bool Interface::configuring() const {
    if (!attached_ || !netif_is_link_up(&netif_)) return false;
    const dhcp* client = netif_dhcp_data(&netif_);
    return client != nullptr && client->state != DHCP_STATE_BOUND && client->state != DHCP_STATE_OFF;
}

u32 Interface::dhcp_ticks() const {
    const dhcp* client = attached_ ? netif_dhcp_data(&netif_) : nullptr;
    return client != nullptr ? client->request_timeout : 0;
}

void Interface::set_name_server(u32 number, const ip_addr_t& server) {
    if (number >= Net::kMaxNameServers || !IP_IS_V4_VAL(server)) return;
    if (number == 0) lease_.server_count = 0;
    std::memcpy(lease_.servers[number], &ip_2_ip4(&server)->addr, 4);
    lease_.server_count = std::max(lease_.server_count, number + 1);
    dirty_ = true;
}

void Interface::set_domain(const char* text, u32 length) {
    length = std::min<u32>(length, sizeof lease_.domain - 1);
    std::memset(lease_.domain, 0, sizeof lease_.domain);
    std::memcpy(lease_.domain, text, length);
    dirty_ = true;
}

bool Interface::publish(Net::Link& link) {
    const dhcp* client = attached_ ? netif_dhcp_data(&netif_) : nullptr;
    const u8 state = client != nullptr
                         ? static_cast<u8>(client->state + (client->tries > kPatientTries ? 128 : 0))
                         : u8{0};
    if (state != last_dhcp_state_) {
        dirty_ = true;
        if ((state & 127) == DHCP_STATE_BOUND) keep_lease();
        last_dhcp_state_ = state;
    }
    if (!dirty_ && port_.now() - counts_shown_ < kSecond) return false;
    const bool news = dirty_;
    dirty_ = false;
    counts_shown_ = port_.now();

    Net::Interface shown{};
    if (attached_) {
        std::memcpy(shown.name, "eth0", 5);
        std::memcpy(shown.hardware_address, netif_.hwaddr, 6);
        const bool has_address = !ip4_addr_isany(netif_ip4_addr(&netif_));
        const bool up = netif_is_link_up(&netif_);
        shown.flags = static_cast<u16>((up ? Net::kUp : 0) |
                                       (has_address || (state & 128) != 0 ? Net::kConfigured : 0) |
                                       (configuring() ? Net::kTrying : 0));
        shown.mtu = netif_.mtu;
        u32 count = 0;
        if (has_address) {
            Net::InterfaceAddress& address = shown.addresses[count++];
            address.family = 4;
            address.prefix = prefix_of(netif_ip4_netmask(&netif_)->addr);
            const u64 now = port_.now();
            address.lifetime = lease_.ends == ~u64{0} ? ~u32{0}
                               : lease_.ends > now    ? static_cast<u32>((lease_.ends - now) / kSecond)
                                                      : 0;
            std::memcpy(address.bytes, &netif_ip4_addr(&netif_)->addr, 4);
            std::memcpy(shown.gateway4, &netif_ip4_gw(&netif_)->addr, 4);
        }
        for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES && count < Net::kMaxAddresses; i++) {
            if (!ip6_addr_isvalid(netif_ip6_addr_state(&netif_, i))) continue;
            Net::InterfaceAddress& address = shown.addresses[count++];
            address.family = 6;
            address.prefix = 64;
            address.lifetime = netif_ip6_addr_isstatic(&netif_, i) ? ~u32{0}
                                                                   : netif_ip6_addr_valid_life(&netif_, i);
            std::memcpy(address.bytes, netif_ip6_addr(&netif_, i)->addr, 16);
        }
        for (u32 i = 0; i < LWIP_ND6_NUM_ROUTERS; i++) {
            const nd6_router_list_entry& router = default_router_list[i];
            if (router.neighbor_entry == nullptr) continue;
            std::memcpy(shown.gateway6, router.neighbor_entry->next_hop_address.addr, 16);
            break;
        }
    }
    shown.received_frames = received_frames_;
    shown.received_bytes = received_bytes_;
    shown.receive_drops = receive_drops_;
    shown.sent_frames = sent_frames_;
    shown.sent_bytes = sent_bytes_;
    shown.send_drops = send_drops_;

    const u32 sequence = (look(link.sequence) | 1) + 2;
    std::atomic_ref(link.sequence).store(sequence, std::memory_order_seq_cst);
    std::memcpy(&link.interfaces[0], &shown, sizeof shown);
    std::memset(&link.interfaces[1], 0, sizeof link.interfaces - sizeof shown);
    link.name_server_count = lease_.server_count;
    for (u32 i = 0; i < Net::kMaxNameServers; i++) {
        link.name_servers[i] = {};
        if (i >= lease_.server_count) continue;
        link.name_servers[i].family = 4;
        link.name_servers[i].port = 53;
        std::memcpy(link.name_servers[i].bytes, lease_.servers[i], 4);
    }
    std::memcpy(link.domain, lease_.domain, sizeof link.domain);
    std::atomic_ref(link.sequence).store(sequence + 1, std::memory_order_seq_cst);
    return news;
}

}  // namespace pith::stack
