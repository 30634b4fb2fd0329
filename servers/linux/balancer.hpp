// SPDX-License-Identifier: MIT
// Balancer: which CPU the threads of programs run on. Every system call is a message to this server, and a message to
// another CPU costs many times one on its own: so a thread runs beside the server ("at home") unless it computes, asking
// for little, while others wait for its CPU. Looks every 10 ms, but only while programs run on more than one CPU.
#pragma once

#include "lib/os/waiter.hpp"
#include "servers/linux/process.hpp"

namespace pith::lx {

class Balancer {
  public:
    explicit Balancer(Zone& zone) : timer_(*this), zone_(zone) {}

    /// The server runs on `home`, programs on CPUs below `cpus`.
    void start(u16 home, u32 cpus) {
        home_ = home;
        cpus_ = cpus;
        watching_ = cpus < 2;  // with one there is never anything to do
    }
    /// The CPU for a new thread: home where its affinity allows that, else the allowed one with least to do.
    u16 place(u64 affinity) const;
    /// A thread goes to user mode.
    void running() {
        if (!watching_) [[unlikely]]
            watch();
    }

  private:
    struct LookTimer : Timer {
        explicit LookTimer(Balancer& owner) : Timer(expired), balancer(owner) {}
        Balancer& balancer;
        static void expired(Timer& timer) { static_cast<LookTimer&>(timer).balancer.look(); }
    };
    struct Load {
        u32 running[abi::kMaxCpus] = {};  ///< threads in user mode
    };

    void watch();
    void look();
    Load load() const;
    u16 least(const Load& load, u64 affinity) const;
    /// Threads away from home that ask for much go back.
    void bring_back(Load& load);
    /// Threads that compute leave the CPU with most to do for one with less.
    void spread(Load& load);
    static void move(Thread& thread, u16 cpu, Load& load);

    LookTimer timer_;
    Zone& zone_;
    u16 home_ = 0;
    u32 cpus_ = 1;
    bool watching_ = true;
};

}  // namespace pith::lx
