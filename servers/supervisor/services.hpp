// SPDX-License-Identifier: MIT
// What the supervisor serves: `process` to those whose manifests need it, `lifecycle` and `name` to every
// component.
#pragma once

#include "protocol/name.hpp"
#include "servers/supervisor/system.hpp"

namespace pith::supervisor {

/// What comes in through a component's "supervisor" capability.
struct Parent {
    static constexpr const char* kName = Lifecycle::kName;
    using Methods = MethodList<Lifecycle::Exit, Lifecycle::Crash, Lifecycle::Violation, Name::Lookup>;
};

class Services {
  public:
    explicit Services(System& system)
        : system_(system), process_(system.loop(), *this), parent_(system.loop(), *this) {}

    Result<Process::Describe::Reply> handle(const Process::Describe& request, Badge badge);
    Result<Process::Counts::Reply> handle(const Process::Counts& request, Badge badge);
    Result<Process::Cpu::Reply> handle(const Process::Cpu& request, Badge badge);
    Result<Process::Shutdown::Reply> handle(const Process::Shutdown& request, Badge badge);
    void handle(const Process::Reach& message, Request<Process::Reach> request);  // inject.cpp
    void handle(const Process::Control& message, Request<Process::Control> request);
    void handle(const Process::Update& message, Request<Process::Update> request);
    Result<Process::Crash::Reply> handle(const Process::Crash& request, Badge badge);
    void handle(const Lifecycle::Violation& message, Request<Lifecycle::Violation> request);
    void handle(const Lifecycle::Exit& message, Request<Lifecycle::Exit> request);
    void handle(const Lifecycle::Crash& message, Request<Lifecycle::Crash> request);
    void handle(const Name::Lookup& message, Request<Name::Lookup> request);

  private:
    bool may_control(Badge badge) const;
    bool may_inject(Badge badge) const;
    Result<> reach_self(u64 what, Request<Process::Reach>& request);
    RestartPolicy policy(u32 number) const {
        return static_cast<RestartPolicy>(system_.component(number).restart);
    }
    Result<> control_self(ControlAction action);
    Result<> control(u32 number, ControlAction action, Badge badge);
    Process::Describe::Reply describe_self();
    System& system_;
    abi::Time started_ = now();
    Timer end_{[](Timer&) { exit_component(0); }};
    Timer hang_{[](Timer&) {
        static_cast<void>(own_thread().stop());
        for (;;) yield_cpu();
    }};
    Server<Process, Services> process_;
    Server<Parent, Services> parent_;
};

}  // namespace pith::supervisor
