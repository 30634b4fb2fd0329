// SPDX-License-Identifier: MIT
#include "servers/net/stack/groups.hpp"

#include <algorithm>
#include <cstring>
#include <span>

#include <lwip/igmp.h>
#include <lwip/mld6.h>
#include <lwip/netif.h>
#include "servers/net/stack/shared.hpp"

namespace pith::stack {
namespace {

/// It can be joined. Of IPv6 those of scope 0 and 1 (RFC 4291, section 2.7) never leave a machine.
bool valid(const Net::Group& group) {
    if (group.interface != 1) return false;
    if (group.family == 4) return group.bytes[0] >> 4 == 14;
    return group.family == 6 && group.bytes[0] == 0xff && (group.bytes[1] & 15) > 1;
}

/// Only what counts, so that equal groups are equal.
Net::Group plain(const Net::Group& group) {
    Net::Group result{.family = group.family, .interface = group.interface};
    std::memcpy(result.bytes, group.bytes, group.family == 4 ? 4 : 16);
    return result;
}

bool join(const Net::Group& group, netif& device, bool yes) {
    if (group.family == 4) {
        ip4_addr_t address;
        std::memcpy(&address.addr, group.bytes, 4);
        return (yes ? igmp_joingroup_netif : igmp_leavegroup_netif)(&device, &address) == ERR_OK;
    }
    ip6_addr_t address{};
    std::memcpy(address.addr, group.bytes, 16);
    ip6_addr_assign_zone(&address, IP6_MULTICAST, &device);
    return (yes ? mld6_joingroup_netif : mld6_leavegroup_netif)(&device, &address) == ERR_OK;
}

bool among(std::span<const Net::Group> groups, const Net::Group& group) {
    return std::ranges::find(groups, group) != groups.end();
}

}  // namespace

bool Groups::changed(const Net::Link& link) const { return look(link.group_sequence) != taken_; }

void Groups::take(const Net::Link& link, netif& device) {
    const u32 sequence = look(link.group_sequence);
    std::atomic_thread_fence(std::memory_order_acquire);
    if ((sequence & 1) != 0) return;  // the client notifies when it has written them
    Net::Group wanted[Net::kMaxGroups];
    u32 count = 0;
    for (const Net::Group& entry : link.groups) {
        Net::Group copy;
        std::memcpy(&copy, &entry, sizeof copy);
        asm volatile("" ::: "memory");  // the copy is what is looked at
        if (!valid(copy)) continue;
        copy = plain(copy);
        if (!among({wanted, count}, copy)) wanted[count++] = copy;
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (look(link.group_sequence) != sequence) return;
    taken_ = sequence;
    const u32 before = count_;
    count_ = 0;
    for (u32 i = 0; i < before; i++) {
        const Net::Group group = joined_[i];
        if (among({wanted, count}, group)) joined_[count_++] = group;
        else join(group, device, false);
    }
    for (u32 i = 0; i < count; i++)
        if (!among({joined_, count_}, wanted[i]) && join(wanted[i], device, true))
            joined_[count_++] = wanted[i];
}

void Groups::clear(Net::Link& link) {
    std::memset(static_cast<void*>(link.groups), 0, sizeof link.groups);
    put(link.group_sequence, 0);
    taken_ = kNone;
}

}  // namespace pith::stack
