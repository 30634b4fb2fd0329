// SPDX-License-Identifier: MIT
#include "servers/chaos/target.hpp"

#include <cstring>

namespace pith::chaos {

namespace {

constexpr u16 kProbe = 1;                          // any method: nobody serves the protocol
constexpr abi::Time kGlance = 100 * kMicrosecond;  // between looks at whether there is a next life

Process::Reach request_for(std::string_view name, u64 what) {
    Process::Reach request{};
    std::memcpy(request.name, name.data(), std::min(name.size(), kNameSize - 1));
    request.what = what;
    return request;
}

}  // namespace

void pause_until(abi::Time time) {
    static const Handle<Signal> never = std::move(*own_pool().create_signal());
    while (now() < time) static_cast<void>(never.wait(1, time));
}

Result<Target> Target::find(const Client<Process>& process, std::string_view name) {
    ReceivedHandles received;
    const auto reply = PITH_TRY(process.call(request_for(name, 0), HandleList(), received));
    Target target;
    target.essential_ = reply.essential != 0;
    target.name_ = std::string(name);
    target.endpoint_ = PITH_TRY(received.take<Endpoint>(0));
    return target;
}

Result<Insides> Target::reach(const Client<Process>& process) const {
    ReceivedHandles received;
    const auto reply = PITH_TRY(process.call(request_for(name_, 1), HandleList(), received));
    Insides insides;
    insides.generation = reply.generation;
    insides.thread = PITH_TRY(received.take<Thread>(0));
    insides.space = PITH_TRY(received.take<Space>(1));
    insides.pool = PITH_TRY(received.take<Pool>(2));
    insides.signal = PITH_TRY(received.take<Signal>(3));
    return insides;
}

Result<Target::Life> Target::life(const Client<Process>& process) const {
    ReceivedHandles received;
    const auto reply = PITH_TRY(process.call(request_for(name_, 0), HandleList(), received));
    return Life{reply.generation, reply.ended};
}

void Target::wake() const {
    constexpr abi::Time kMoment = 2 * kMillisecond;
    Message message;
    message.tag = abi::Tag(kProbe, 0);
    static_cast<void>(ipc_call(endpoint_.index(), message, now() + kMoment));
}

Result<> Target::control(const Client<Process>& process, ControlAction action) const {
    Process::Control request{};
    std::memcpy(request.name, name_.data(), std::min(name_.size(), kNameSize - 1));
    request.action = static_cast<u32>(action);
    PITH_CHECK(process.call(request));
    return {};
}

Result<> Target::wait_until_serving(const Client<Process>& process, u64 generation,
                                    abi::Time deadline) const {
    // The next life first: the old one may still answer.
    for (;;) {
        const Life present = PITH_TRY(life(process));
        if (present.generation > generation) break;
        if (now() >= deadline) return Error::timed_out;
        pause_until(now() + kGlance);
    }
    // The call waits in the Endpoint's queue until that life receives.
    for (;;) {
        Message message;
        message.tag = abi::Tag(kProbe, 0);
        const Error error = ipc_call(endpoint_.index(), message, deadline);
        if (error == Error::peer_died) continue;
        if (error != Error::ok) return error;
        if (message.tag.status() == Error::held_down) return Error::held_down;
        return {};
    }
}

}  // namespace pith::chaos
