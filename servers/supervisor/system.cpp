// SPDX-License-Identifier: MIT
// States of components: deaths, back-off, orders.
#include "servers/supervisor/system.hpp"

#include <algorithm>
#include <cstring>

namespace pith::supervisor {

namespace {

constexpr abi::Time kReportRetry = 2 * kMillisecond;
constexpr u64 kNearLimit = 8;  // pages: a heap asks for that many at least while it can

template <typename T>
T required(Result<T> result, std::string_view what) {
    char text[96];
    if (!result.ok()) panic(format_to(text, "{}: error {}", what, result.error()));
    return std::move(result).value();
}

}  // namespace

System::System()
    : system_pool_(take_start_handle<Pool>("system")),
      system_budget_(take_start_handle<Budget>("system.budget")),
      machine_(take_start_handle<Machine>("machine")),
      bundle_memory_(take_start_handle<Memory>("bundle")),
      info_page_(take_start_handle<Memory>("info")),
      preserved_(take_start_handle<Memory>("preserved")) {
    tick_.self = this;
    const NamedHandle* bundle = find_start_handle("bundle");
    const NamedHandle* preserved = find_start_handle("preserved");
    if (bundle == nullptr || preserved == nullptr || !system_pool_.valid())
        panic("started without its capabilities");
    bundle_mapping_ = required(
        Mapping::create(bundle_memory_, 0, (bundle->value + abi::kPageSize - 1) & ~(abi::kPageSize - 1),
                        abi::kMapRead),
        "mapping the bundle");
    records_mapping_ = required(Mapping::create(preserved_, 0, preserved->value), "mapping the records");
    if (preserved->value < kPreservedBytes) panic("too little preserved Memory");
    records_ = records_mapping_.as<Records>();
    bundle_ = required(Bundle::open(bundle_mapping_.bytes()), "opening the bundle");
    const BundleFile compiled = required(bundle_.find("system"), "the bundle has no system");
    composition_ = required(Composition::parse(compiled.content), "the compiled system is malformed");
    // root's own badge is in the capability; the handle is kept by the library for reports too.
    root_ = Client<Root>(
        required(Borrowed<Endpoint>(find_start_handle("supervisor")->handle).copy(), "root's Endpoint"));
    loop_.on_kernel_event([this](Message& message) { return fault(message); });
}

void System::begin() {
    const bool reborn = records_->magic == kRecordMagic && records_->count == count();
    reporter_.open(records_->reports);
    crashes_.open(*records_mapping_.as<CrashRing>(kRecordsPages * abi::kPageSize));
    if (reborn) {
        recover();
    } else {
        if (records_->magic != 0) std::memset(static_cast<void*>(records_), 0, sizeof(*records_));
        records_->count = count();
        records_->magic = kRecordMagic;
    }
    for (u32 i = 0; i < count(); i++)
        if (records_->components[i].permanent == 0) create_permanent(i);
    for (u32 i = 0; i < count(); i++)
        for (const CompositionString& provided : composition_.provides(component(i)))
            if (composition_.string(provided) == Log::kName) {
                auto log = Borrowed<Endpoint>(record(i).endpoint)
                               .mint(Badge(protocol_number(Log::kName), 0, kSupervisorComponent).bits(),
                                     rights(abi::EndpointRight::send) | kCopyRight);
                if (log.ok()) reporter_.connect(std::move(*log));
            }
    if (records_->built == 0) {
        if (record(0).run_pages == 0) share_memory();
        for (u32 i = 0; i < count(); i++)
            if (record(i).state == ComponentState::stopped) bring_up(i);
        records_->built = 1;
        reporter_.line(Severity::info, "system {}: {} components started", composition_.name(), count());
    }
    if (const auto cause = start_parameter("cause"); !cause.empty()) report_own_crash(cause);
    schedule();
}

bool System::present(u32 number, u16 label) const {
    return number < count() && record(number).state == ComponentState::running &&
           static_cast<u16>(record(number).generation) == label;
}

Result<u32> System::find(std::string_view name) const {
    for (u32 i = 0; i < count(); i++)
        if (name_of(i) == name) return i;
    return Error::not_found;
}

Result<Handle<Endpoint>> System::lookup(u32 client, std::string_view name) const {
    if (client >= count()) return Error::not_found;
    for (const CompositionNeed& need : composition_.needs(component(client))) {
        if (composition_.string(need.as) != name || need.supplier == kSupplierNone) continue;
        const u64 badge = Badge(protocol_number(composition_.string(need.protocol)),
                                static_cast<u16>(need.label), client)
                              .bits();
        const abi::RightsBits mask = rights(abi::EndpointRight::send) | kCopyRight;
        if (need.supplier == kSupplierSupervisor) return loop_.endpoint().mint(badge, mask);
        return Borrowed<Endpoint>(record(need.supplier).endpoint).mint(badge, mask);
    }
    return Error::not_found;
}

/// Destroys what dies with the component. After it the kernel's counts are what they were before its start. The record says that it is ending until the caller
/// writes down what it is from now on (settle, or a start): a successor of ours that finds it so decides it anew.
void System::take_down(u32 number) {
    ComponentRecord& r = records_->components[number];
    r.intent = Intent::ending;
    r.state = ComponentState::ending;
    // Off the record first: what is not in it, a successor destroys and gives up.
    // The thread ends before what it stands on begins to: in a dying Pool its calls fail, and it would still tell its clients so,
    // and write down for its successor what that makes it believe.
    Handle<Thread> thread(std::exchange(r.thread, abi::kNoHandle));
    if (thread.valid()) static_cast<void>(thread.destroy());
    const Handle<Signal> signal(std::exchange(r.signal, abi::kNoHandle));
    const Handle<Space> space(std::exchange(r.space, abi::kNoHandle));
    const Handle<Memory> memory(std::exchange(r.memory, abi::kNoHandle));
    Handle<Pool> run(std::exchange(r.run, abi::kNoHandle));
    if (run.valid()) destroy_pool(std::move(run));
}

/// It is down, and this is its state.
void System::settle(u32 number, ComponentState state) {
    ComponentRecord& r = records_->components[number];
    r.state = state;
    r.intent = Intent::none;
}

void System::bring_up(u32 number) {
    ComponentRecord& r = records_->components[number];
    release(number);
    const bool again = r.generation != 0;
    if (auto started = start(number); !started.ok()) {
        char text[64];
        set_cause(r, format_to(text, "cannot be started: error {}", started.error()));
        reporter_.line(Severity::crash, "{} cannot be started: error {}", name_of(number), started.error());
        // It never ran, and nothing is going to change.
        if (!again && static_cast<RestartPolicy>(component(number).restart) == RestartPolicy::essential)
            give_up(number);
        return after_death(number);
    }
    if (!again) return;
    reporter_.line(Severity::notice, "{} started again ({})", name_of(number), r.restarts);
    notify_clients(number);
}

void System::notify_clients(u32 number) {
    for (u32 i = 0; i < count(); i++) {
        if (record(i).state != ComponentState::running) continue;
        for (const CompositionNeed& need : composition_.needs(component(i)))
            if (need.supplier == number) {
                static_cast<void>(Borrowed<Signal>(record(i).signal).notify(kSignalReborn));
                break;
            }
    }
}

void System::set_cause(ComponentRecord& record, std::string_view cause) {
    const usize length = cause.size() < sizeof(record.cause) - 1 ? cause.size() : sizeof(record.cause) - 1;
    std::memset(record.cause, 0, sizeof(record.cause));
    std::memcpy(record.cause, cause.data(), length);
}

void System::died(u32 number, std::string_view cause, const Fault* fault) {
    end(number, cause, fault, Death::own);
}

void System::kill(u32 number) { end(number, "killed", nullptr, Death::ordered); }

void System::end(u32 number, std::string_view cause, const Fault* fault, Death death) {
    ComponentRecord& r = records_->components[number];
    if (r.state != ComponentState::running) return;
    char text[sizeof(r.cause)];
    // Its quota may be the cause of what it did: whoever reads of it should know.
    if (auto pool = Borrowed<Pool>(r.run).pool_info();
        pool.ok() && (pool->peak + kNearLimit >= pool->limit || cause.starts_with("out of memory")))
        cause = format_to(text, "{} ({} of its quota of {} pages used)", cause, pool->peak, pool->limit);
    note_recovery(number);
    r.died_at = now();
    report_crash(number, cause, fault);
    set_cause(r, cause);
    r.ended = r.died_at;
    r.total_deaths++;
    take_down(number);
    reporter_.line(Severity::crash, "{} crashed: {}", name_of(number), cause);
    after_death(number, death);
    schedule();
}

/// What its policy says once it is down.
void System::after_death(u32 number, Death death) {
    ComponentRecord& r = records_->components[number];
    const CompositionComponent& c = component(number);
    const abi::Time time = now();
    if (r.update == UpdateState::trial) {
        roll_back(number);
        death = Death::ordered;  // it was not what runs from now on
    } else if (static_cast<RestartPolicy>(c.restart) == RestartPolicy::never) {
        settle(number, ComponentState::stopped);
        return hold(number);
    }
    r.restart_at = time;
    if (death == Death::ordered) return settle(number, ComponentState::waiting);
    if (time - r.window_start > c.hold_window) {
        r.window_start = time;
        r.deaths = 0;
    }
    r.deaths++;
    if (c.hold_after != 0 && r.deaths >= c.hold_after) {
        if (static_cast<RestartPolicy>(c.restart) == RestartPolicy::essential) give_up(number);
        settle(number, ComponentState::held_down);
        reporter_.line(Severity::crash, "{} died {} times and is held down", name_of(number), r.deaths);
        return hold(number);
    }
    // The first time it may have been bad luck: then nobody has to wait.
    if (r.deaths >= 2) r.restart_at = time + std::min(c.backoff << std::min(r.deaths - 2, 20u), c.ceiling);
    settle(number, ComponentState::waiting);
}

/// What the system is for does not stay up: it ends, with an error. Returns only where the machine can't be ended.
void System::give_up(u32 number) {
    const ComponentRecord& r = record(number);
    Root::Shutdown end{static_cast<u32>(ShutdownKind::exit), 125, {}};
    const std::string_view cause = r.cause;
    const auto text = r.deaths == 0 ? format_to(end.cause, "{} is given up: {}", name_of(number), cause)
                                    : format_to(end.cause, "{} died {} times and is given up: {}",
                                                name_of(number), r.deaths, cause);
    end.cause[std::min(text.size(), sizeof(end.cause) - 1)] = 0;
    static_cast<void>(root_.call(end));
}

/// Of ours: root has told the cause.
void System::report_own_crash(std::string_view cause) {
    TextWriter out(crashes_.begin());
    const abi::Time time = now();
    format_append(out, "crash {}: supervisor, at {}.{06} s: {}\n", crashes_.next_sequence(), time / kSecond,
                  time / kMicrosecond % 1'000'000, cause);
    crashes_.finish(kSupervisorComponent, out.text().size());
    reporter_.line(Severity::crash, "supervisor crashed: {}; restarted", cause);
}

Result<> System::control(u32 number, ControlAction action) {
    ComponentRecord& r = records_->components[number];
    const bool running = r.state == ComponentState::running;
    switch (action) {
        case ControlAction::kill:
            if (r.state == ComponentState::waiting) return {};  // dead already, and about to start again
            if (!running) return Error::bad_state;
            kill(number);
            return {};
        case ControlAction::hang:
            if (!running) return Error::bad_state;
            return Borrowed<Thread>(r.thread).stop();
        case ControlAction::restart:
        case ControlAction::start:
            if (action == ControlAction::start && running) return {};
            r.deaths = 0;
            if (running) take_down(number);
            bring_up(number);
            schedule();
            return {};
        case ControlAction::stop:
            if (running) take_down(number);
            settle(number, ComponentState::stopped);
            r.died_at = 0;
            set_cause(r, "stopped");
            hold(number);
            schedule();
            return {};
    }
    return Error::invalid;
}

bool System::fault(Message& message) {
    const Badge badge(message.badge);
    if (!present(badge.client(), badge.label())) return false;
    char text[96];
    const bool page = message.tag.operation() == static_cast<u16>(abi::Event::page_fault);
    const Fault fault{page, message.words[0], message.words[1], message.words[2]};
    const bool overflow = page &&
                          fault.address <
                              kStackTop - component(badge.client()).stack_pages * abi::kPageSize &&
                          fault.address >= kInfoPage + abi::kPageSize;
    const std::string_view access = (fault.access & 2) != 0   ? "execute"
                                    : (fault.access & 1) != 0 ? "write"
                                                              : "read";
    if (page)
        died(
            badge.client(),
            format_to(text, "{} at {x} ({}), rip {x}", overflow ? "stack overflow: page fault" : "page fault",
                      fault.address, access, fault.rip),
            &fault);
    else died(badge.client(), format_to(text, "exception {}, rip {x}", fault.address, fault.rip), &fault);
    return false;
}

void System::schedule() {
    abi::Time next = next_action();
    if (!reporter_.flush()) {
        const abi::Time retry = now() + kReportRetry;
        if (next == abi::kNoDeadline || retry < next) next = retry;
    }
    if (next == abi::kNoDeadline) tick_.cancel();
    else tick_.arm(next);
}

void System::tick() {
    const abi::Time time = now();
    for (u32 i = 0; i < count(); i++) {
        if (record(i).state == ComponentState::waiting && record(i).restart_at <= time) bring_up(i);
        else if (record(i).state == ComponentState::running) watch(i, time);
        else if (unanswered(i)) hold(i);
    }
    schedule();
}

}  // namespace pith::supervisor
