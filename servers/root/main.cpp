// SPDX-License-Identifier: MIT
// The first process: divides the memory, starts the supervisor and starts it again when it dies or hangs.
// Pools (all children of the kernel's): `keep` has what outlives a supervisor (CapTable, preserved Memory,
// Endpoint, the system's Budget), `run` what dies with it, `system` everything that it builds.
#include <algorithm>
#include <cstring>

#include "lib/base/format.hpp"
#include "lib/os/launch.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "servers/root/power.hpp"
#include "servers/root/time.hpp"

namespace pith::root {

namespace {

constexpr u64 kOwnPages = 48;
constexpr u64 kKeepPages = 64;
constexpr u64 kRunPages = 256;
constexpr u64 kPreservedPages = 27;  // what servers/supervisor/record.hpp needs
constexpr u8 kSupervisorPriority = 240;
constexpr abi::Time kHeartbeat = 500 * kMillisecond;
constexpr abi::Time kLook = 100 * kMillisecond;  // while a heartbeat is not answered
constexpr u64 kMissesAllowed = 5;  // looks, and not time: the whole machine may have stood still
constexpr abi::Time kQuick = 100 * kMillisecond;  // a life shorter than that
constexpr u32 kMostQuickDeaths = 20;

const abi::BootInfo& boot_info() { return *reinterpret_cast<const abi::BootInfo*>(abi::kRootBootInfo); }
StartInfo root_start;

template <typename T>
Borrowed<T> slot(abi::RootSlot number) {
    return Borrowed<T>(static_cast<abi::HandleIndex>(number));
}

/// A line on the debug console: what ends the machine can't be told otherwise.
void report(std::string_view text) {
    const auto machine = slot<Machine>(abi::RootSlot::machine);
    machine.log("root: ", 6);
    machine.log(text.data(), text.size());
    machine.log("\n", 1);
}

/// A Result's value; without it the system cannot start.
template <typename T>
T need(Result<T> result, const char* what) {
    if (!result.ok()) {
        char text[120];
        panic(format_to(text, "cannot make {}: error {}", what, result.error()));
    }
    return std::move(result).value();
}

/// All that root holds.
class RootServer {
  public:
    RootServer();
    [[noreturn]] void run();

    Result<Root::Shutdown::Reply> handle(const Root::Shutdown& request, Badge);
    Result<Root::Forgive::Reply> handle(const Root::Forgive& request, Badge);
    void handle(const Lifecycle::Exit& request, Request<Lifecycle::Exit>);
    void handle(const Lifecycle::Crash& request, Request<Lifecycle::Crash>);

  private:
    void start_supervisor();
    void restore_grants();
    /// `ordered`: somebody wanted it, and it is no sign that the supervisor is broken.
    void supervisor_died(std::string_view cause, bool ordered = false);
    bool fault(Message& message);
    void beat();

    struct BeatTimer : Timer {
        BeatTimer() : Timer([](Timer& timer) { static_cast<BeatTimer&>(timer).self->beat(); }) {}
        RootServer* self = nullptr;
    };
    struct RestartTimer : Timer {
        RestartTimer()
            : Timer([](Timer& timer) { static_cast<RestartTimer&>(timer).self->start_supervisor(); }) {}
        RootServer* self = nullptr;
    };

    Bundle bundle_;
    Handle<Pool> keep_, run_, system_;
    Handle<CapTable> captable_;
    Handle<Memory> preserved_;
    Handle<Endpoint> supervisor_endpoint_;
    Handle<Budget> system_budget_;
    Handle<Signal> pong_;
    Launched supervisor_;
    EventLoop loop_;
    Server<Root, RootServer> server_;
    BeatTimer beat_;
    RestartTimer restart_;
    Grant grants_[11];
    usize grant_count_ = 0;
    u64 generation_ = 0;
    u64 misses_ = 0;
    bool beat_sent_ = false;
    abi::Time started_ = 0;
    abi::Time died_ = 0;
    u32 quick_deaths_ = 0;
    char cause_[160] = {};
    usize cause_length_ = 0;
};

RootServer::RootServer()
    : loop_(need(own_pool().create_endpoint(), "root's Endpoint"),
            need(own_pool().create_signal(), "root's Signal"), Handle<Signal>()),
      server_(loop_, *this) {
    beat_.self = this;
    restart_.self = this;
    bundle_ = need(Bundle::open({reinterpret_cast<const u8*>(abi::kRootBundle), boot_info().bundle_size}),
                   "sense of the boot bundle");
    static_cast<void>(own_thread().bind_signal(loop_.signal()));
    const auto memory = need(own_pool().pool_info(), "a count of the memory");
    keep_ = need(own_pool().create_pool(kKeepPages), "the supervisor's keep Pool");
    const u64 taken = memory.used + kOwnPages + kKeepPages + kRunPages;
    if (memory.limit < taken + 512) panic("not enough memory for the system");
    system_ = need(own_pool().create_pool(memory.limit - taken), "the system Pool");
    captable_ = need(keep_.create_captable(1024), "the supervisor's CapTable");
    preserved_ = need(keep_.create_memory(kPreservedPages * abi::kPageSize),
                      "the supervisor's preserved Memory");
    supervisor_endpoint_ = need(keep_.create_endpoint(), "the supervisor's Endpoint");
    pong_ = need(keep_.create_signal(), "a Signal");
    abi::BudgetParameters unlimited{};
    unlimited.capacity = unlimited.period = 10 * kMillisecond;
    unlimited.cpus = ~u64{0};
    unlimited.ceiling = kSupervisorPriority;
    system_budget_ = need(keep_.create_budget(own_budget(), unlimited), "the system's Budget");
    root_start.wall_clock = boot_wall_clock(slot<Machine>(abi::RootSlot::machine), own_pool(), bundle_);
    if (configured_to_skip(bundle_)) root_start.flags |= kStartClockSkips;

    const auto endpoint = need(loop_.endpoint().mint(Badge(protocol_number(Root::kName), 0, 0).bits(),
                                                     rights(abi::EndpointRight::send) | kCopyRight),
                               "a capability");
    // What is to outlive it, it cannot destroy.
    constexpr abi::RightsBits kKept = abi::kAllRights & ~abi::kRightManage;
    Grant grants[] = {
        make_grant("endpoint", supervisor_endpoint_, kKept),
        make_grant("supervisor", endpoint),
        make_grant("pong", pong_, rights(abi::SignalRight::notify)),
        make_grant("system", system_, kKept),
        make_grant("system.budget", system_budget_),
        make_grant("preserved", preserved_, kKept, 0, kPreservedPages * abi::kPageSize),
        make_grant("machine", slot<Machine>(abi::RootSlot::machine), abi::kAllRights, 0, boot_info().rsdp),
        make_grant("bundle", slot<Memory>(abi::RootSlot::bundle), kKept, 0, boot_info().bundle_size),
        make_grant("info", slot<Memory>(abi::RootSlot::info), kKept),
    };
    for (Grant& grant : grants) grants_[grant_count_++] = grant;
    // These stay in the supervisor's CapTable for ever: they are put there once.
    for (usize i = 0; i < grant_count_; i++) {
        const SyscallResult copied = invoke(abi::Syscall::cap_copy, grants_[i].source, captable_.index(), 0,
                                            grants_[i].rights, grants_[i].badge);
        if (copied.error != Error::ok) panic("cannot fill the supervisor's CapTable");
        grants_[i].slot = static_cast<abi::HandleIndex>(copied.r0);
    }
    loop_.on_kernel_event([this](Message& message) { return fault(message); });
}

/// A supervisor that ran wild may have given up what it was given: its successor has it again, in the same slots.
void RootServer::restore_grants() {
    for (usize i = 0; i < grant_count_; i++) {
        const Grant& grant = grants_[i];
        const auto present = captable_.take<Memory>(grant.slot);
        if (present.ok()) {
            const auto info = present.value().info();
            if (info.ok() && info.value().type == grant.type) continue;
        }
        static_cast<void>(captable_.remove(grant.slot));
        const SyscallResult copied = invoke(abi::Syscall::cap_copy, grant.source, captable_.index(),
                                            grant.slot, grant.rights, grant.badge);
        if (copied.error != Error::ok) panic("cannot fill the supervisor's CapTable again");
    }
}

void RootServer::start_supervisor() {
    if (generation_ != 0) restore_grants();
    run_ = need(own_pool().create_pool(kRunPages), "the supervisor's run Pool");
    const auto bundle = slot<Memory>(abi::RootSlot::bundle);
    const auto info = slot<Memory>(abi::RootSlot::info);
    LaunchPlan plan{};
    plan.name = "supervisor";
    plan.image = need(bundle_.find("component/supervisor"), "a supervisor: it is not in the bundle");
    plan.bundle = &bundle;
    plan.info_page = &info;
    plan.run_pool = &run_;
    plan.captable = &captable_;
    plan.parent_budget = &own_budget();
    plan.fault_endpoint = loop_.endpoint().index();
    plan.stack_pages = 8;
    plan.component = 0xffff'ffff;
    plan.generation = generation_++;
    plan.priority = kSupervisorPriority;
    plan.budget.capacity = plan.budget.period = 10 * kMillisecond;
    plan.budget.cpus = ~u64{0};
    plan.budget.ceiling = kSupervisorPriority;
    plan.grants = {grants_, grant_count_};
    char died[24];
    const Parameter parameters[] = {{"cause", {cause_, cause_length_}},
                                    {"died", format_to(died, "{}", died_)}};
    if (cause_length_ != 0) plan.parameters = parameters;
    u64 entry = 0;
    supervisor_ = need(prepare_component(plan, entry), "the supervisor");
    misses_ = 0;
    beat_sent_ = false;
    static_cast<void>(pong_.poll(~u64{0}));
    started_ = now();
    beat_.arm(started_ + kHeartbeat);
    if (auto started = pith::start_component(supervisor_, entry); !started.ok())
        panic("cannot start the supervisor");
}

void RootServer::supervisor_died(std::string_view cause, bool ordered) {
    cause_length_ = cause.size() < sizeof(cause_) ? cause.size() : sizeof(cause_);
    std::memcpy(cause_, cause.data(), cause_length_);
    died_ = now();
    beat_.cancel();
    if (supervisor_.thread.valid()) static_cast<void>(supervisor_.thread.destroy());
    static_cast<void>(run_.destroy());
    supervisor_ = {};
    // It is held to what it holds components to; but without it there is no system.
    const abi::Time time = now();
    quick_deaths_ = !ordered && time - started_ < kQuick ? quick_deaths_ + 1 : 0;
    if (quick_deaths_ > kMostQuickDeaths) panic(std::string_view(cause_, cause_length_));
    restart_.arm(quick_deaths_ < 2 ? time : time + (kMillisecond << std::min(quick_deaths_ - 2, 8u)));
}

bool RootServer::fault(Message& message) {
    char text[120];
    const bool page_fault = message.tag.operation() == static_cast<u16>(abi::Event::page_fault);
    supervisor_died(page_fault
                        ? format_to(text, "page fault at {x}, rip {x}", message.words[0], message.words[2])
                        : format_to(text, "exception {}, rip {x}", message.words[0], message.words[2]));
    return false;
}

void RootServer::beat() {
    const bool answered = pong_.poll(~u64{0}) != 0;
    if (beat_sent_ && !answered) {
        if (++misses_ > kMissesAllowed) return supervisor_died("no heartbeat");
        return beat_.arm(now() + kLook);
    }
    misses_ = 0;
    // A look soon after each one, so that a hang is found soon; then it may sleep.
    beat_sent_ = !beat_sent_;
    if (beat_sent_) static_cast<void>(supervisor_.signal.notify(kSignalPing));
    beat_.arm(now() + (beat_sent_ ? kLook : kHeartbeat));
}

Result<Root::Shutdown::Reply> RootServer::handle(const Root::Shutdown& request, Badge) {
    const auto machine = slot<Machine>(abi::RootSlot::machine);
    const usize length = ::strnlen(request.cause, sizeof(request.cause));
    if (length != 0) report({request.cause, length});
    return shut_down({machine, own_pool(), boot_info().rsdp}, static_cast<ShutdownKind>(request.kind),
                     request.status);
}

Result<Root::Forgive::Reply> RootServer::handle(const Root::Forgive&, Badge) {
    quick_deaths_ = 0;
    return Root::Forgive::Reply{};
}

/// Status 0: it was killed by order.
void RootServer::handle(const Lifecycle::Exit& request, Request<Lifecycle::Exit>) {
    const bool ordered = request.status == 0;
    supervisor_died(ordered ? "killed" : "it ended", ordered);
}

void RootServer::handle(const Lifecycle::Crash& request, Request<Lifecycle::Crash>) {
    supervisor_died(
        {request.text, request.length < sizeof(request.text) ? request.length : sizeof(request.text)});
}

void RootServer::run() {
    start_supervisor();
    loop_.run();
}

/// Fills the StartInfo of root itself from the kernel's slots.
void make_start_info() {
    const abi::BootInfo& boot = boot_info();
    root_start.magic = kStartMagic;
    std::memcpy(root_start.name, "root", 5);
    root_start.memory_size = boot.memory_size;
    root_start.cpus = boot.cpus;
    const std::string_view line(boot.command_line);
    if (line.starts_with("trace=") || line.find(" trace=") != line.npos) root_start.flags |= kStartTraced;
    const struct {
        const char* name;
        abi::RootSlot slot;
        abi::ObjectType type;
    } own[] = {
        {"pool", abi::RootSlot::pool, abi::ObjectType::pool},
        {"space", abi::RootSlot::space, abi::ObjectType::space},
        {"captable", abi::RootSlot::captable, abi::ObjectType::captable},
        {"thread", abi::RootSlot::thread, abi::ObjectType::thread},
        {"budget", abi::RootSlot::budget, abi::ObjectType::budget},
    };
    for (const auto& entry : own) {
        NamedHandle& handle = root_start.handles[root_start.handle_count++];
        std::memcpy(handle.name, entry.name, std::strlen(entry.name));
        handle.handle = static_cast<abi::HandleIndex>(entry.slot);
        handle.type = static_cast<u32>(entry.type);
    }
    const auto space = slot<Space>(abi::RootSlot::space);
    static_cast<void>(
        space.map(kInfoPage, slot<Memory>(abi::RootSlot::info), 0, abi::kPageSize, abi::kMapRead));
}

}  // namespace

}  // namespace pith::root

extern "C" const pith::StartInfo* pith_root_start_info() {
    pith::root::make_start_info();
    return &pith::root::root_start;
}

/// Without root there is no system: a report, and the end.
extern "C" void pith_root_end(const char* text, pith::usize length, int status) {
    using namespace pith;
    const auto machine = root::slot<Machine>(abi::RootSlot::machine);
    if (text != nullptr) root::report({text, length});
    static_cast<void>(machine.exit(text != nullptr ? 125 : static_cast<u32>(status)));
    for (;;) yield_cpu();
}

int main() {
    alignas(pith::root::RootServer) static unsigned char storage[sizeof(pith::root::RootServer)];
    auto* server = ::new (static_cast<void*>(storage)) pith::root::RootServer;
    server->run();
}
