// SPDX-License-Identifier: MIT
#include "servers/chaos/service.hpp"

#include <algorithm>
#include <cstring>

#include "lib/base/format.hpp"
#include "lib/os/patience.hpp"

namespace pith::chaos {

namespace {

constexpr abi::Time kPatience = 60 * kSecond;              // for a component to serve again
constexpr abi::Time kHangPatience = 40 * kSecond;          // for one that hangs to be found out
constexpr abi::Time kSilentPatience = 150 * kMillisecond;  // for a fault that may never be noticed
constexpr abi::Time kGlance = kMillisecond;
/// At most, for the supervisor to end a component and to start it again.
constexpr abi::Time kDealing = kMillisecond;

/// Whether it has to be noticed sooner or later.
abi::Time patience_for(Fault fault) {
    return fault == Fault::storm || fault == Fault::pool || silent(fault) ? kSilentPatience : kHangPatience;
}

}  // namespace

Service::Service(Settings settings)
    : settings_(std::move(settings)), random_(settings_.seed), injector_(random_) {}

/// While the machine waits for the host, a clock that skips what is idle leaps from one fault to the next: nothing would ever get any further.
abi::Time Service::time() const {
    if (!clock_skips()) return now();
    u64 worked = 0;
    for (u32 cpu = 0; cpu < start_info().cpus; cpu++) {
        auto reply = process_.call(Process::Cpu{cpu});
        if (reply.ok()) worked += now() - reply->counts.idle_time;
    }
    return worked;
}

abi::Time Service::next() const {
    if (!active_) return abi::kNoDeadline;
    if (!clock_skips()) return next_;
    const abi::Time present = time();
    return now() + (present < next_ ? next_ - present : 0);
}

void Service::find_targets() {
    for (u64 index = 0;; index++) {
        auto description = process_.call(Process::Describe{index});
        if (!description.ok()) break;
        const std::string_view name(description->name, strnlen(description->name, kNameSize));
        const bool wanted = settings_.targets.empty() ||
                            std::ranges::find(settings_.targets, name) != settings_.targets.end();
        if (!wanted || std::ranges::find(settings_.spared, name) != settings_.spared.end()) continue;
        auto target = Target::find(process_, name);
        if (!target.ok()) continue;
        // What takes programs along is hit only by name.
        if (settings_.targets.empty() && target->essential()) continue;
        targets_.push_back(std::move(*target));
    }
}

Result<Chaos::Begin::Reply> Service::handle(const Chaos::Begin&, Badge) {
    if (begun_ || settings_.interval == 0) return Chaos::Begin::Reply{};
    begun_ = true;
    find_targets();
    supervisor_ = Target::find(process_, "supervisor");
    active_ = !targets_.empty() && !settings_.faults.empty();
    next_ = time() + settings_.interval;
    return Chaos::Begin::Reply{};
}

void Service::act() {
    if (!active_ || time() < next_) return;
    Target& target = targets_[random_.below(targets_.size())];
    const Fault fault = settings_.faults[random_.below(settings_.faults.size())];
    hit(target, fault);
    // From one to the next, and not from an end: where recovering takes longer, the next comes at once. But programs that begin anew have all of it.
    next_ = target.essential() ? time() + settings_.interval : std::max(next_ + settings_.interval, time());
}

void Service::hit(Target& target, Fault fault) {
    begin_ = now();
    const Verdict verdict = carry_out(target, fault);
    injector_.clean_up();
    Outcome& outcome = target.outcomes[static_cast<usize>(fault)];
    if (verdict.end == Verdict::refused) outcome.refused++;
    else outcome.injected++;
    if (verdict.end >= Verdict::detected) outcome.detected++;
    if (verdict.end == Verdict::recovered) outcome.recovered++;
    if (verdict.time != 0) outcome.times.push_back(verdict.time);
    if (!settings_.log) return;
    static constexpr std::string_view kEnds[] = {"refused", "unnoticed", "detected", "recovered"};
    char text[Chaos::kMaxLine];
    lines_.emplace_back(format_to(text, "hit {} {} {} {} {}", target.name(), name_of(fault),
                                  kEnds[verdict.end], verdict.time, begin_));
}

Service::Verdict Service::carry_out(Target& target, Fault fault) {
    auto insides = target.reach(process_);
    if (!insides.ok()) return {};
    const u64 generation = insides->generation;
    abi::Time time = now();
    const bool ordered = fault == Fault::kill || fault == Fault::kill_again;
    const Result<> done = ordered                ? target.control(process_, ControlAction::kill)
                          : fault == Fault::both ? hit_both(*insides)
                                                 : injector_.inject(fault, *insides);
    if (!done.ok()) return {};
    if (done_by_code(fault)) target.wake();
    if (fault == Fault::kill_again) {
        // Some time into its recovery; or it has not even begun.
        pause_until(now() + kMillisecond + random_.below(3 * kMillisecond));
        time = now();
        static_cast<void>(target.control(process_, ControlAction::kill));
    }
    return watch(target, fault, generation, time);
}

/// The supervisor's Thread is had beforehand: it is the supervisor that hands it out.
Result<> Service::hit_both(const Insides& insides) {
    if (!supervisor_.ok()) return supervisor_.error();
    const Insides supervisor = PITH_TRY(supervisor_->reach(process_));
    // It is interrupted wherever it is by then: so it has to come after us.
    const auto own = PITH_TRY(own_thread().thread_info());
    PITH_CHECK(supervisor.thread.set_priority(static_cast<u8>(own.priority - 1)));
    PITH_CHECK(injector_.inject(Fault::null, insides));
    // Nothing that takes time, and no message to one that may be dead by now: its Signal wakes it.
    static_cast<void>(insides.signal.notify(kSignalPing));
    pause_until(now() + random_.below(kDealing));
    static_cast<void>(injector_.inject(Fault::null, supervisor));
    static_cast<void>(supervisor.signal.notify(kSignalPing));
    return {};
}

/// Waits for what the fault does to its target, and for the target to serve again.
Service::Verdict Service::watch(Target& target, Fault fault, u64 generation, abi::Time time) {
    const bool ordered = fault == Fault::kill || fault == Fault::kill_again;
    const abi::Time limit = now() + (ordered ? kPatience : patience_for(fault));
    bool ended = ordered;
    while (!ended && now() < limit) {
        auto present = target.life(process_);
        ended = !present.ok() || present->generation > generation;
        if (!ended) pause_until(now() + kGlance);
    }
    if (!ended) {
        // Nobody has noticed. It is not to come to light in the middle of the next one.
        if (auto life = target.reach(process_); life.ok() && life->generation == generation)
            static_cast<void>(target.control(process_, ControlAction::kill));
        // One that does not come back from that has been broken by it.
        const bool serves = target.wait_until_serving(process_, generation, now() + kPatience).ok();
        return {serves ? Verdict::unnoticed : Verdict::detected, 0};
    }
    if (!target.wait_until_serving(process_, generation, now() + kPatience).ok())
        return {Verdict::detected, 0};
    // What is not by order comes to light some time later.
    if (!ordered) {
        auto present = target.life(process_);
        time = present.ok() ? present->ended : 0;
        if (time < begin_ || time > now()) time = 0;  // it may be the supervisor that tells nonsense
    }
    return {Verdict::recovered, time != 0 ? now() - time : 0};
}

Result<Chaos::End::Reply> Service::handle(const Chaos::End&, Badge) {
    active_ = false;
    if (begun_ && !reported_) report();
    return Chaos::End::Reply{lines_.size()};
}

Result<Chaos::Line::Reply> Service::handle(const Chaos::Line& request, Badge) {
    if (active_) return Error::bad_state;
    if (request.index >= lines_.size()) return Error::not_found;
    const std::string& text = lines_[request.index];
    Chaos::Line::Reply reply{};
    reply.length = std::min(text.size(), Chaos::kMaxLine);
    std::memcpy(reply.text, text.data(), reply.length);
    return reply;
}

}  // namespace pith::chaos
