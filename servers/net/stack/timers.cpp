// SPDX-License-Identifier: MIT
#include "servers/net/stack/timers.hpp"

#include <algorithm>

#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/igmp.h>
#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>
#include <lwip/mld6.h>
#include <lwip/nd6.h>
#include <lwip/priv/tcp_priv.h>
#include "servers/net/stack/stack.hpp"

namespace pith::stack {
namespace {

constexpr u64 kMillisecond = 1'000'000;

struct Periodic {
    u64 period;
    u32 most;  ///< calls to catch up with
    void (*run)();
};
constexpr Periodic kTimers[] = {
    {IP_TMR_INTERVAL * kMillisecond, 60, ip_reass_tmr},
    {ARP_TMR_INTERVAL * kMillisecond, 600, etharp_tmr},
    {DHCP_COARSE_TIMER_MSECS * kMillisecond, 10, dhcp_coarse_tmr},
    {DHCP_FINE_TIMER_MSECS * kMillisecond, 120, dhcp_fine_tmr},
    {ND6_TMR_INTERVAL * kMillisecond, 120, nd6_tmr},
    {MLD6_TMR_INTERVAL * kMillisecond, 100, mld6_tmr},
    {IGMP_TMR_INTERVAL * kMillisecond, 100, igmp_tmr},
};

constexpr u32 kDhcp = 3;

}  // namespace

void Timers::start(u64 now) {
    static_assert(std::size(kTimers) == kCount);
    for (u64& last : last_) last = now;
    last_tcp_ = last_activity_ = now_ = now;
}

void Timers::run(Stack& stack, u64 now) {
    now_ = now;
    for (u32 i = 0; i < kCount; i++) {
        const Periodic& timer = kTimers[i];
        if (now - last_[i] < timer.period) continue;
        const u64 missed = (now - last_[i]) / timer.period;
        last_[i] += missed * timer.period;
        for (u64 calls = std::min<u64>(missed, timer.most); calls > 0; calls--) timer.run();
    }
    dhcp_waits_ = stack.interface().dhcp_ticks();
    const u64 missed = (now - last_tcp_) / (TCP_TMR_INTERVAL * kMillisecond);
    if (missed == 0) return;
    last_tcp_ += missed * TCP_TMR_INTERVAL * kMillisecond;
    if (missed > 1) tcp_ticks += static_cast<u32>((missed - 1) / 2);
    if (!tcp_needed_) return;
    tcp_tmr();
    tcp_needed_ = stack.after_timers();
}

u64 Timers::deadline() const {
    u64 next = ~u64{0};
    const bool busy = now_ - last_activity_ < kBusy;
    for (u32 i = 0; i < kCount; i++)
        next = std::min(next, last_[i] + (busy ? kTimers[i].period : std::max(kNap, kTimers[i].period)));
    if (dhcp_waits_ != 0) next = std::min(next, last_[kDhcp] + dhcp_waits_ * kTimers[kDhcp].period);
    if (tcp_needed_) next = std::min(next, last_tcp_ + TCP_TMR_INTERVAL * kMillisecond);
    return next;
}

}  // namespace pith::stack

extern "C" {

void tcp_timer_needed(void) { pith::stack::Stack::current().timers().need_tcp(); }
void sys_timeouts_init(void) {}
u32_t sys_now(void) { return static_cast<u32_t>(pith::stack::Stack::current().port().now() / 1'000'000); }

}  // extern "C"
