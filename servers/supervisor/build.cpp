// SPDX-License-Identifier: MIT
// Making a component: once what outlives it, and at each start what dies with it.
#include <cstring>

#include "protocol/device.hpp"
#include "servers/supervisor/system.hpp"

namespace pith::supervisor {

namespace {

constexpr usize kMaxGrants = kMaxStartHandles - 6;
constexpr usize kMaxParameters = 40;
constexpr u64 kSparePages = 24;  // of the system Pool, for the objects that restarts make in it

/// Names and values that have to live as long as the grants and parameters that use them.
struct Names {
    char text[kMaxGrants][32];
    char numbers[kMaxParameters][16];
    char values[kMaxParameters][96];
};
Names names;

bool has(u32 grants, CompositionGrant grant) { return (grants & static_cast<u32>(grant)) != 0; }

/// Ends the system, which cannot be without this.
[[noreturn]] void cannot(std::string_view name, std::string_view what, Error error) {
    char text[96];
    if (error == Error::no_memory) panic(format_to(text, "{}: {}: not enough memory", name, what));
    panic(format_to(text, "{}: {}: error {}", name, what, error));
}

}  // namespace

void System::create_permanent(u32 number) {
    ComponentRecord& r = records_->components[number];
    const CompositionComponent& c = component(number);
    r.intent = Intent::creating;
    const auto keep = [this, number](auto result, abi::HandleIndex& slot) {
        if (!result.ok()) cannot(name_of(number), "cannot be built", result.error());
        slot = result->release();
    };
    keep(system_pool_.create_endpoint(), r.endpoint);
    keep(system_pool_.create_signal(), r.pong);
    if (c.keep_pages != 0) keep(system_pool_.create_pool(c.keep_pages), r.keep);
    if (c.preserved_pages != 0)
        keep(Borrowed<Pool>(r.keep).create_memory(u64{c.preserved_pages} * abi::kPageSize), r.preserved);
    if (c.kept_slots != 0) keep(Borrowed<Pool>(r.keep).create_captable(c.kept_slots), r.kept);
    if (auto devices = create_devices(number); !devices.ok())
        cannot(name_of(number), "a device cannot be had", devices.error());
    r.permanent = 1;
    r.intent = Intent::none;
}

Result<> System::create_devices(u32 number) {
    ComponentRecord& r = records_->components[number];
    const auto devices = composition_.devices(component(number));
    if (devices.size() > kMaxDevices) return Error::no_slot;
    for (usize i = 0; i < devices.size(); i++) {
        const CompositionDevice& d = devices[i];
        switch (static_cast<DeviceKind>(d.kind)) {
            case DeviceKind::interrupt:
                r.devices[i] = PITH_TRY(
                                   machine_.create_interrupt(system_pool_, static_cast<u32>(d.base), d.flags))
                                   .release();
                break;
            case DeviceKind::ports:
                r.devices[i] = PITH_TRY(machine_.create_ports(system_pool_, static_cast<u16>(d.base),
                                                              static_cast<u32>(d.size)))
                                   .release();
                break;
            case DeviceKind::memory:
                r.devices[i] = PITH_TRY(machine_.device_memory(system_pool_, d.base, d.size, d.flags))
                                   .release();
                break;
            case DeviceKind::pci: break;  // had from who provides "device"
        }
    }
    return {};
}

/// Says how large each run Pool is; one component may take the rest.
void System::share_memory() {
    auto info = system_pool_.pool_info();
    if (!info.ok()) panic("cannot count the memory");
    u64 left = info->limit - info->used;
    u32 taker = count();
    for (u32 i = 0; i < count(); i++) {
        const u64 pages = component(i).memory_pages;
        if (pages + kSparePages > left) {
            char text[96];
            panic(format_to(text, "{} needs {} pages of memory, {} are left", name_of(i), pages, left));
        }
        left -= pages;
        if (has(component(i).grants, CompositionGrant::pool_rest)) taker = i;
    }
    // The first one's last: while it has none, a successor of ours does all of it again.
    for (u32 i = count(); i-- > 0;)
        records_->components[i].run_pages = component(i).memory_pages + (i == taker ? left - kSparePages : 0);
}

Handle<Machine> System::machine_for(u32 grants) const {
    using enum abi::MachineRight;
    abi::RightsBits mask = 0;
    if (has(grants, CompositionGrant::machine_info)) mask |= static_cast<abi::RightsBits>(info);
    if (has(grants, CompositionGrant::debug_console)) mask |= static_cast<abi::RightsBits>(debug);
    if (has(grants, CompositionGrant::devices)) mask |= static_cast<abi::RightsBits>(devices);
    if (mask == 0) return {};
    auto result = machine_.copy(static_cast<abi::RightsBits>(mask | abi::kRightCopy));
    return result.ok() ? std::move(*result) : Handle<Machine>();
}

void System::collect_needs(u32 number, std::span<Grant> grants, usize& used) {
    for (const CompositionNeed& need : composition_.needs(component(number))) {
        if (need.supplier == kSupplierNone || used == grants.size()) continue;
        const u64 badge = Badge(protocol_number(composition_.string(need.protocol)),
                                static_cast<u16>(need.label), number)
                              .bits();
        const abi::HandleIndex source = need.supplier == kSupplierSupervisor ? loop_.endpoint().index()
                                                                             : record(need.supplier).endpoint;
        grants[used++] = {
            composition_.string(need.as), source, rights(abi::EndpointRight::send) | kCopyRight, badge, 0,
            abi::ObjectType::endpoint};
    }
}

usize System::collect_grants(u32 number, std::span<Grant> grants) {
    using namespace abi;
    const ComponentRecord& r = record(number);
    const CompositionComponent& c = component(number);
    usize n = 0;
    const u64 parent = Badge(protocol_number(Lifecycle::kName), static_cast<u16>(r.generation), number)
                           .bits();
    grants[n++] = make_grant("supervisor", loop_.endpoint(), rights(EndpointRight::send), parent);
    grants[n++] = make_grant(
        "endpoint", Borrowed<Endpoint>(r.endpoint),
        rights(EndpointRight::send, EndpointRight::receive, EndpointRight::mint) | kCopyRight);
    grants[n++] = make_grant("pong", Borrowed<Signal>(r.pong), rights(SignalRight::notify));
    if (r.keep != kNoHandle)
        grants[n++] = make_grant("keep", Borrowed<Pool>(r.keep),
                                 rights(PoolRight::allocate, PoolRight::info) | kCopyRight);
    if (r.preserved != kNoHandle)
        grants[n++] = make_grant("preserved", Borrowed<Memory>(r.preserved),
                                 rights(MemoryRight::read, MemoryRight::write) | kCopyRight, 0,
                                 u64{c.preserved_pages} * kPageSize);
    if (r.kept != kNoHandle)
        grants[n++] = make_grant("kept", Borrowed<CapTable>(r.kept),
                                 rights(CapTableRight::insert, CapTableRight::take) | kCopyRight, 0,
                                 c.kept_slots);
    if (has(c.grants, CompositionGrant::bundle))
        grants[n++] = make_grant("bundle", bundle_memory_,
                                 rights(MemoryRight::read, MemoryRight::execute) | kCopyRight, 0,
                                 bundle_mapping_.size());
    grants[n++] = make_grant("info", info_page_, rights(MemoryRight::read) | kCopyRight);
    const auto devices = composition_.devices(c);
    static constexpr std::string_view kKinds[] = {"irq", "ports", "memory"};
    static constexpr ObjectType kTypes[] = {ObjectType::interrupt, ObjectType::io_ports, ObjectType::memory};
    for (usize i = 0; i < devices.size() && n < grants.size(); i++) {
        const CompositionDevice& d = devices[i];
        if (d.kind == static_cast<u32>(DeviceKind::pci)) continue;
        const u64 value = d.kind == static_cast<u32>(DeviceKind::ports) ? d.base | d.size << 32 : d.base;
        const auto name = format_to(names.text[i], "{}.{}", kKinds[d.kind], composition_.string(d.name));
        grants[n++] = {name, r.devices[i], static_cast<RightsBits>(kAllRights & ~kRightManage),
                       0,    value,        kTypes[d.kind]};
    }
    collect_needs(number, grants, n);
    return n;
}

usize System::collect_parameters(u32 number, std::span<Parameter> parameters) {
    const CompositionComponent& c = component(number);
    usize n = 0;
    for (const CompositionParameter& p : composition_.parameters(c))
        if (n < parameters.size())
            parameters[n++] = {composition_.string(p.key), composition_.string(p.value)};
    for (const CompositionString& provided : composition_.provides(c)) {
        // The log names its writers.
        if (composition_.string(provided) == Log::kName)
            for (u32 i = 0; i < count() && n < parameters.size(); i++, n++)
                parameters[n] = {format_to(names.numbers[n], "component.{}", i), name_of(i)};
        if (composition_.string(provided) == Devices::kName) collect_pci_devices(parameters, n);
    }
    return n;
}

/// Who may have which PCI device: "pci.N" = "COMPONENT:VENDOR:DEVICE:PAGES:NAME:COMPONENT'S NAME", numbers in hexadecimal; for a class
/// kAnyVendor and the class.
void System::collect_pci_devices(std::span<Parameter> parameters, usize& used) {
    u32 number = 0;
    for (u32 i = 0; i < count(); i++)
        for (const CompositionDevice& d : composition_.devices(component(i))) {
            if (d.kind != static_cast<u32>(DeviceKind::pci) || used == parameters.size()) continue;
            parameters[used] = {
                format_to(names.numbers[used], "pci.{}", number++),
                format_to(names.values[used], "{x}:{x}:{x}:{x}:{}:{}", i, d.base & 0xffff, d.base >> 16,
                          d.size / abi::kPageSize, composition_.string(d.name), name_of(i))};
            used++;
        }
}

Result<> System::bind_ports(u32 number, const Handle<Space>& space) const {
    const auto devices = composition_.devices(component(number));
    for (usize i = 0; i < devices.size(); i++)
        if (devices[i].kind == static_cast<u32>(DeviceKind::ports))
            PITH_CHECK(Borrowed<IoPorts>(record(number).devices[i]).bind(space));
    return {};
}

Result<> System::launch(u32 number, ComponentRecord& r) {
    const CompositionComponent& c = component(number);
    LaunchPlan plan{};
    plan.name = name_of(number);
    const Image image = PITH_TRY(image_of(number));
    const Borrowed<Memory> image_memory(image.memory);
    plan.image = image.file;
    r.run = PITH_TRY(system_pool_.create_pool(r.run_pages)).release();
    const Borrowed<Pool> run(r.run);
    plan.bundle = &image_memory;
    plan.info_page = &info_page_;
    plan.run_pool = &run;
    plan.parent_budget = &system_budget_;
    const Handle<Endpoint> faults = PITH_TRY(
        loop_.endpoint().mint(Badge(0, static_cast<u16>(r.generation), number).bits(),
                              rights(abi::EndpointRight::send) | kCopyRight));
    plan.fault_endpoint = faults.index();
    plan.fault_badge = Badge(0, static_cast<u16>(r.generation), number).bits();
    plan.slots = c.slots;
    plan.stack_pages = c.stack_pages;
    plan.component = number;
    plan.generation = r.generation - 1;
    plan.jit = has(c.grants, CompositionGrant::jit);
    plan.budget_manage = has(c.grants, CompositionGrant::budget_manage);
    plan.priority = static_cast<u8>(c.priority);
    const u64 present_cpus = start_info().cpus >= 64 ? ~u64{0} : (u64{1} << start_info().cpus) - 1;
    const u64 cpus = (c.cpus & present_cpus) != 0 ? c.cpus & present_cpus : present_cpus;
    plan.cpu = static_cast<u16>(__builtin_ctzll(cpus));
    plan.budget.capacity = c.capacity;
    plan.budget.period = c.period;
    plan.budget.cpus = cpus;
    plan.budget.ceiling = plan.priority;
    Grant grants[kMaxGrants];
    usize grant_count = collect_grants(number, grants);
    const Handle<Machine> machine = machine_for(c.grants);
    const u64 rsdp = has(c.grants, CompositionGrant::devices) ? find_start_handle("machine")->value : 0;
    if (machine.valid() && grant_count < kMaxGrants)
        grants[grant_count++] = make_grant("machine", machine, abi::kAllRights, 0, rsdp);
    Parameter parameters[kMaxParameters];
    plan.parameters = {parameters, collect_parameters(number, parameters)};
    plan.grants = {grants, grant_count};
    u64 entry = 0;
    Launched launched = PITH_TRY(prepare_component(plan, entry));
    PITH_CHECK(bind_ports(number, launched.space));
    // Before it can answer anybody: a trial that has answered no ping has answered no request.
    if (r.update == UpdateState::trial) static_cast<void>(launched.signal.notify(kSignalPing));
    PITH_CHECK(pith::start_component(launched, entry));
    r.thread = launched.thread.release();
    r.signal = launched.signal.release();
    r.space = launched.space.release();
    r.memory = launched.memory.release();
    return {};
}

Result<System::Image> System::image_of(u32 number) const {
    const ImageRecord& own = record(number).image;
    char name[64];
    if (own.memory == abi::kNoHandle)
        return Image{PITH_TRY(bundle_.find(format_to(name, "component/{}", name_of(number)))),
                     bundle_memory_.index(), Mapping()};
    const u64 bytes = (own.size + abi::kPageSize - 1) & ~(abi::kPageSize - 1);
    Image image{
        {}, own.memory, PITH_TRY(Mapping::create(Borrowed<Memory>(own.memory), 0, bytes, abi::kMapRead))};
    image.file.content = {image.mapping.as<const u8>(), own.size};
    return image;
}

/// The page with its LifeRecord; not valid: it does not run. For as long as it is looked at: counts are to be the same after a death as before.
Mapping System::life_page(u32 number) const {
    if (record(number).memory == abi::kNoHandle) return {};
    auto mapped = Mapping::create(Borrowed<Memory>(record(number).memory), abi::kPageSize, abi::kPageSize,
                                  abi::kMapRead);
    return mapped.ok() ? std::move(*mapped) : Mapping();
}

Result<> System::start(u32 number) {
    ComponentRecord& r = records_->components[number];
    r.intent = Intent::starting;
    r.generation++;
    r.started = now();  // (on a client's time it may run before we do)
    static_cast<void>(Borrowed<Signal>(r.pong).poll(~u64{0}));
    if (auto launched = launch(number, r); !launched.ok()) {
        take_down(number);
        return launched;
    }
    if (r.generation > 1) r.restarts++;
    r.state = ComponentState::running;
    r.intent = Intent::none;
    Life& life = lives_[number];
    life.pings = life.stuck = life.violations = life.quiet = 0;
    life.next_check = r.started + component(number).heartbeat;
    return {};
}

}  // namespace pith::supervisor
