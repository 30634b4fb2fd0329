// SPDX-License-Identifier: MIT
// Hits a component every so often, and keeps the books. One thread that has nothing else to do: it waits for what it hit.
#pragma once

#include "protocol/chaos.hpp"
#include "servers/chaos/injector.hpp"
#include "servers/chaos/random.hpp"
#include "servers/chaos/settings.hpp"
#include "servers/chaos/target.hpp"

namespace pith::chaos {

class Service {
  public:
    explicit Service(Settings settings);

    /// When it looks next whether it is time to act; kNoDeadline: not at all.
    abi::Time next() const;
    /// Acts if it is time.
    void act();

    Result<Chaos::Begin::Reply> handle(const Chaos::Begin&, Badge);
    Result<Chaos::End::Reply> handle(const Chaos::End&, Badge);
    Result<Chaos::Line::Reply> handle(const Chaos::Line& request, Badge);

  private:
    /// The time that intervals are counted in: the clock's, or where that skips idle time what the CPUs have worked.
    abi::Time time() const;
    void find_targets();
    void hit(Target& target, Fault fault);
    /// What came of a hit.
    struct Verdict {
        enum { refused, unnoticed, detected, recovered } end = refused;
        abi::Time time = 0;  ///< recovered: nanoseconds that it took, 0: that is not known
    };
    Verdict carry_out(Target& target, Fault fault);
    Result<> hit_both(const Insides& insides);
    Verdict watch(Target& target, Fault fault, u64 generation, abi::Time time);
    void report();
    void line(std::string text);

    const Settings settings_;
    const Client<Process> process_ = Client<Process>::from_start();
    Random random_;
    Injector injector_;
    std::vector<Target> targets_;
    Result<Target> supervisor_ = Error::not_found;
    std::vector<std::string> lines_;
    abi::Time next_ = 0;   ///< by time()
    abi::Time begin_ = 0;  ///< of the present hit
    bool begun_ = false;
    bool active_ = false;
    bool reported_ = false;
};

}  // namespace pith::chaos
