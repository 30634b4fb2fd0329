// SPDX-License-Identifier: MIT
// The system: its components, their states, and what happens when one dies. One thread; all state is in the
// records.
//
// Life of a component: stopped -> running -> (dies) waiting -> running ..., or held_down after too many
// deaths, or stopped by order or policy. While it is down for longer than a back-off (held_down, stopped) a
// thread of ours answers its Endpoint. docs/recovery.md has the rules.
#pragma once

#include "lib/os/launch.hpp"
#include "lib/os/life_record.hpp"
#include "lib/os/mapping.hpp"
#include "lib/os/protocol.hpp"
#include "lib/os/thread.hpp"
#include "servers/supervisor/record.hpp"
#include "servers/supervisor/report.hpp"

namespace pith::supervisor {

inline constexpr u32 kSupervisorComponent = 0xffff'ffff;

class System {
  public:
    System();
    /// Builds the system, or takes it over from a predecessor. panics when it cannot be built.
    void begin();
    EventLoop& loop() { return loop_; }

    // What happens to components (number in the composition).
    /// `fault`: what the kernel said; nullptr: it was no fault.
    void died(u32 number, std::string_view cause, const Fault* fault = nullptr);
    Result<> control(u32 number, ControlAction action);
    Result<> update(u32 number, const Handle<Memory>& file, u64 size);
    /// `client` says that who supplies `route` to it breaks their protocol.
    Result<> violation(u32 client, std::string_view route, std::string_view what);
    const CrashReport* crash(u64 sequence) const { return crashes_.find(sequence); }
    /// Looks whether it serves again, if it died.
    void note_recovery(u32 number);
    Result<u32> find(std::string_view name) const;
    /// The injector ends it next: not a sign that it is broken (Process::Reach).
    void forgive(u32 number) { records_->components[number].deaths = 0; }
    u32 count() const { return static_cast<u32>(composition_.components().size()); }
    const CompositionComponent& component(u32 number) const { return composition_.components()[number]; }
    const ComponentRecord& record(u32 number) const { return records_->components[number]; }
    std::string_view name_of(u32 number) const {
        return number < count() ? composition_.string(component(number).name)
                                : std::string_view("supervisor");
    }
    /// True: `label`, of a badge, is that of the component's present life.
    bool present(u32 number, u16 label) const;
    /// A capability for `client` to what supplies `name`, with the badge that says so.
    Result<Handle<Endpoint>> lookup(u32 client, std::string_view name) const;
    const Handle<Machine>& machine() const { return machine_; }
    const Client<Root>& root() const { return root_; }

  private:
    friend class Watch;
    struct Life {
        u64 pings = 0;        ///< sent since the last answer
        u64 cpu_at_ping = 0;  ///< or at the last look
        u64 stuck = 0;        ///< looks since then at which it did not want the CPU
        abi::Time next_check = 0;
        u32 quiet = 0;       ///< checks since it was last seen doing something, or pinged
        u32 violations = 0;  ///< that were reported of it in this life
        NativeThread hold;   ///< answers for it while it is down
    };
    /// An executable, and the Memory that it is in.
    struct Image {
        BundleFile file;
        abi::HandleIndex memory;
        Mapping mapping;  ///< of one that is not in the bundle
    };
    enum class Death { own, ordered };

    // build.cpp
    void create_permanent(u32 number);
    Result<> create_devices(u32 number);
    void share_memory();
    Result<> start(u32 number);
    Result<> launch(u32 number, ComponentRecord& record);
    usize collect_grants(u32 number, std::span<Grant> grants);
    void collect_needs(u32 number, std::span<Grant> grants, usize& count);
    usize collect_parameters(u32 number, std::span<Parameter> parameters);
    void collect_pci_devices(std::span<Parameter> parameters, usize& used);
    Handle<Machine> machine_for(u32 grants) const;
    Result<> bind_ports(u32 number, const Handle<Space>& space) const;
    Result<Image> image_of(u32 number) const;
    Mapping life_page(u32 number) const;
    // crash.cpp
    void report_crash(u32 number, std::string_view cause, const Fault* fault);
    void print_state(TextWriter& out, u32 number, const Code& code, const Fault* fault) const;
    void print_messages(TextWriter& out, const LifeRecord* life) const;
    std::string_view protocol_name(u16 number) const;
    // update.cpp
    void roll_back(u32 number);
    void watch_trial(u32 number, abi::Time time);
    void end_trial(u32 number, UpdateState state);
    void drop_snapshot(u32 number);
    Result<> make_room(u64 pages);
    void give_room_back();
    u32 rest_taker() const;
    Result<u64> free_pages() const;
    Result<Handle<Memory>> copy_image(const Handle<Memory>& file, u64 size);
    Result<Handle<Memory>> copy_preserved(u32 number) const;
    // recover.cpp
    void recover();
    void recover_component(u32 number);
    void destroy_unknown();
    bool known_slot(abi::HandleIndex slot) const;
    // destroy.cpp
    void destroy_pool(Handle<Pool> pool);
    void destroy_large(Handle<Pool> object);
    void finish_destructions();
    // hold.cpp
    void hold(u32 number);
    void release(u32 number);
    bool unanswered(u32 number) const;
    // system.cpp
    void take_down(u32 number);
    void settle(u32 number, ComponentState state);
    void bring_up(u32 number);
    void end(u32 number, std::string_view cause, const Fault* fault, Death death);
    void kill(u32 number);
    void report_own_crash(std::string_view cause);
    void after_death(u32 number, Death death = Death::own);
    void give_up(u32 number);
    void notify_clients(u32 number);
    void set_cause(ComponentRecord& record, std::string_view cause);
    bool fault(Message& message);
    void schedule();
    void tick();
    // watch.cpp
    void watch(u32 number, abi::Time time);
    abi::Time next_action() const;

    struct Tick : Timer {
        Tick() : Timer([](Timer& timer) { static_cast<Tick&>(timer).self->tick(); }) {}
        System* self = nullptr;
    };

    EventLoop loop_;
    Handle<Pool> system_pool_;
    Handle<Budget> system_budget_;
    Handle<Machine> machine_;
    Handle<Memory> bundle_memory_;
    Handle<Memory> info_page_;
    Handle<Memory> preserved_;
    Mapping bundle_mapping_;
    Mapping records_mapping_;
    Bundle bundle_;
    Composition composition_;
    Records* records_ = nullptr;
    CrashBook crashes_;
    Client<Root> root_;
    Reporter reporter_;
    Tick tick_;
    const u64 destroyed_bit_ = loop_.allocate_signal_bit();
    Life lives_[kMaxComponents];
};

}  // namespace pith::supervisor
