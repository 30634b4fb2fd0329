// SPDX-License-Identifier: MIT
// Answering requests about components, and from them.
#include "servers/supervisor/services.hpp"

#include <algorithm>
#include <cstring>

namespace pith::supervisor {

namespace {

constexpr std::string_view kOwnName = "supervisor";

std::string_view name_in(const char (&field)[kNameSize]) { return {field, strnlen(field, kNameSize)}; }

}  // namespace

bool Services::may_control(Badge badge) const {
    return badge.client() < system_.count() &&
           (system_.component(badge.client()).grants & static_cast<u32>(CompositionGrant::shutdown)) != 0;
}

/// The supervisor about itself: it comes after the components.
Process::Describe::Reply Services::describe_self() {
    Process::Describe::Reply reply{};
    std::memcpy(reply.name, kOwnName.data(), kOwnName.size());
    reply.state = static_cast<u32>(ComponentState::running);
    reply.restarts = static_cast<u32>(start_info().generation);
    reply.uptime = now() - started_;
    reply.number = system_.count();
    reply.deaths = start_info().generation;
    if (const u64 died = start_number("died"); died != 0) reply.recovery = started_ - died;
    if (auto info = own_thread().thread_info(); info.ok()) reply.cpu_time = info->cpu_time;
    if (auto info = own_pool().pool_info(); info.ok()) {
        reply.pages = info->used;
        reply.pages_limit = info->limit;
    }
    const std::string_view cause = start_parameter("cause");
    std::memcpy(reply.cause, cause.data(), std::min(cause.size(), sizeof(reply.cause) - 1));
    return reply;
}

Result<Process::Describe::Reply> Services::handle(const Process::Describe& request, Badge) {
    if (request.index == system_.count()) return describe_self();
    if (request.index > system_.count()) return Error::not_found;
    const u32 number = static_cast<u32>(request.index);
    system_.note_recovery(number);
    const ComponentRecord& r = system_.record(number);
    Process::Describe::Reply reply{};
    const std::string_view name = system_.name_of(number);
    std::memcpy(reply.name, name.data(), name.size());
    reply.state = static_cast<u32>(r.state);
    reply.restarts = r.restarts;
    reply.pages_limit = r.run_pages;
    std::memcpy(reply.cause, r.cause, sizeof(reply.cause));
    reply.recovery = r.recovery;
    reply.deaths = r.total_deaths;
    reply.updated = static_cast<u32>(r.update);
    reply.number = number;
    if (r.state == ComponentState::running) {
        reply.uptime = now() - r.started;
        if (auto info = Borrowed<Thread>(r.thread).thread_info(); info.ok()) reply.cpu_time = info->cpu_time;
        if (auto info = Borrowed<Pool>(r.run).pool_info(); info.ok()) reply.pages = info->used;
    }
    if (r.keep != abi::kNoHandle)
        if (auto info = Borrowed<Pool>(r.keep).pool_info(); info.ok()) reply.keep_pages = info->used;
    return reply;
}

Result<> Services::control_self(ControlAction action) {
    Timer& order = action == ControlAction::hang ? hang_ : end_;
    if (&order != &hang_ && action != ControlAction::kill && action != ControlAction::restart)
        return Error::access;
    order.arm(now() + 100 * kMicrosecond);  // the answer goes out first
    return {};
}

Result<> Services::control(u32 number, ControlAction action, Badge badge) {
    // Nobody could start it again: not who is down himself, and without what is essential nobody is there that would.
    const bool comes_back = (action == ControlAction::kill || action == ControlAction::restart ||
                             action == ControlAction::hang) &&
                            policy(number) != RestartPolicy::never;
    if ((number == badge.client() || policy(number) == RestartPolicy::essential) && !comes_back)
        return Error::access;
    return system_.control(number, action);
}

void Services::handle(const Process::Control& message, Request<Process::Control> request) {
    const Badge badge = request.badge();
    if (!may_control(badge) && !may_inject(badge)) return request.fail(Error::access);
    const auto action = static_cast<ControlAction>(message.action);
    const std::string_view name = name_in(message.name);
    auto number = name == kOwnName ? Result<u32>(kSupervisorComponent) : system_.find(name);
    if (!number.ok()) return request.fail(number.error());
    const auto done = *number == kSupervisorComponent ? control_self(action)
                                                      : control(*number, action, badge);
    // Who has ordered his own end is not there any more to be answered.
    if (done.ok()) request.reply({});
    else request.fail(done.error());
}

Result<Process::Counts::Reply> Services::handle(const Process::Counts&, Badge) {
    return Process::Counts::Reply{PITH_TRY(system_.machine().kernel_counts())};
}

Result<Process::Cpu::Reply> Services::handle(const Process::Cpu& request, Badge) {
    if (request.cpu >= start_info().cpus) return Error::invalid;
    return Process::Cpu::Reply{PITH_TRY(system_.machine().cpu_counts(static_cast<u32>(request.cpu)))};
}

Result<Process::Shutdown::Reply> Services::handle(const Process::Shutdown& request, Badge badge) {
    if (!may_control(badge)) return Error::access;
    Root::Shutdown end{request.kind, request.status, {}};
    auto result = system_.root().call(end);
    if (!result.ok()) return result.error();
    return Process::Shutdown::Reply{};
}

void Services::handle(const Process::Update& message, Request<Process::Update> request) {
    const Badge badge = request.badge();
    if (!may_control(badge) && !may_inject(badge)) return request.fail(Error::access);
    if (name_in(message.name) == kOwnName) return request.fail(Error::access);
    auto number = system_.find(name_in(message.name));
    if (!number.ok()) return request.fail(number.error());
    if (*number == badge.client() || policy(*number) == RestartPolicy::essential)
        return request.fail(Error::access);
    auto file = request.handles().take<Memory>(0);
    if (!file.ok()) return request.fail(file.error());
    const auto done = system_.update(*number, *file, message.size);
    if (done.ok()) request.reply({});
    else request.fail(done.error());
}

Result<Process::Crash::Reply> Services::handle(const Process::Crash& request, Badge) {
    const CrashReport* report = system_.crash(request.sequence);
    if (report == nullptr) return Error::not_found;
    Process::Crash::Reply reply{};
    reply.sequence = report->sequence;
    reply.total = report->length;
    if (request.offset < report->length) {
        reply.length = std::min<u64>(report->length - request.offset, sizeof(reply.text));
        std::memcpy(reply.text, report->text + request.offset, reply.length);
    }
    return reply;
}

void Services::handle(const Lifecycle::Violation& message, Request<Lifecycle::Violation> request) {
    const Badge badge = request.badge();
    if (!system_.present(badge.client(), badge.label())) return request.fail(Error::not_found);
    const usize length = std::min<u64>(message.length, sizeof(message.what));
    const auto done = system_.violation(badge.client(), name_in(message.route), {message.what, length});
    if (done.ok()) request.reply({});
    else request.fail(done.error());
}

void Services::handle(const Lifecycle::Exit& message, Request<Lifecycle::Exit> request) {
    const Badge badge = request.badge();
    char text[48];
    if (system_.present(badge.client(), badge.label()))
        system_.died(badge.client(), format_to(text, "ended with status {}", message.status));
}

void Services::handle(const Lifecycle::Crash& message, Request<Lifecycle::Crash> request) {
    const Badge badge = request.badge();
    const usize length = message.length < sizeof(message.text) ? message.length : sizeof(message.text);
    if (system_.present(badge.client(), badge.label())) system_.died(badge.client(), {message.text, length});
}

void Services::handle(const Name::Lookup& message, Request<Name::Lookup> request) {
    auto endpoint = system_.lookup(request.badge().client(), name_in(message.name));
    if (!endpoint.ok()) return request.fail(endpoint.error());
    HandleList handles;
    handles.add(*endpoint);  // (a move would leave it here if the client is dead)
    request.reply({}, handles);
}

}  // namespace pith::supervisor
