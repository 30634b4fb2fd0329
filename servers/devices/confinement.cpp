// SPDX-License-Identifier: MIT
// Holding devices to their drivers' memory, where there is an IOMMU: its tables, what a predecessor left of them, and what
// becomes of a device that reaches beyond (docs/storage.md, "IOMMU").
#include "servers/devices/service.hpp"

namespace pith::devices {

namespace {

constexpr u32 kNobody = 0xffff'ffff;
constexpr u32 kBridgeClass = 0x06;
constexpr abi::Time kLogPatience = 20 * kMillisecond;
constexpr abi::Time kReportStep = kSecond;

}  // namespace

void Service::report(std::string_view text) const {
    if (!log_.valid()) return;
    Log::Write write{static_cast<u32>(Severity::error), static_cast<u32>(text.size()), {}};
    std::memcpy(write.text, text.data(), text.size());
    static_cast<void>(log_.call(write, now() + kLogPatience));
}

u32 Service::domain_of(u32 owner) const {
    for (u32 i = 0; i < grant_count_; i++)
        if (grants_[i].owner == owner) return i + 1;
    return 0;
}

/// Before any device masters the bus.
Result<> Service::confine() {
    if (confined_) return {};
    if (const Result<> done = find_iommu(); !done.ok()) {
        char text[120];
        if (!std::exchange(complained_, true))
            report(format_to(text, "the IOMMU can't be turned on (error {}): no device can be used",
                             done.error()));
        return done;
    }
    confined_ = true;
    return {};
}

Result<> Service::find_iommu() {
    if (const auto found = iommu_.find({machine_, own_pool(), rsdp_}); !found.ok()) {
        if (found.error() == Error::no_memory || found.error() == Error::no_slot) return found;
        if (found.error() == Error::not_found) return {};
        char text[120];
        report(format_to(text, "the IOMMU can't be used (error {}): devices can reach all memory",
                         found.error()));
        return {};
    }
    for (const DmarUnit& unit : iommu_.units()) bus_.take(unit.registers, unit.size);
    iommu_.use(mapping_.as<State>()->iommu);
    if (iommu_.pages().chunks() == 0) find_tables();
    store_.each(KeptKind::dma, [this](Kept& kept) {
        if (!confirmed(kept)) store_.forget(kept);
    });
    const auto attached = [this](u32 place, u32 domain) {
        const Function* function = bus_.find(place);
        return function != nullptr && domain <= grant_count_ &&
               grant_of(grants_[domain - 1].owner, *function) != nullptr;
    };
    const auto allowed = [this](u32 domain, u64 address) {
        return domain <= grant_count_ && store_.holds(grants_[domain - 1].owner, address);
    };
    if (!iommu_.resume(attached, allowed) || !settle().ok()) PITH_CHECK(start_anew());
    PITH_CHECK(watch_faults());
    take_faults();
    return {};
}

/// Those that a predecessor had.
void Service::find_tables() {
    store_.each(KeptKind::tables, [this](Kept& kept) {
        // A driver's memory must not pass for tables, whatever became of a record.
        const bool ours = kept.owner == kNobody && kept.place == kIommuPlace &&
                          kept.size == TablePages::kChunkSize;
        if (!ours || !confirmed(kept) || !use_tables(*store_.take<Memory>(kept), kept.address).ok())
            store_.forget(kept);
    });
}

Result<> Service::use_tables(const Handle<Memory>& memory, u64 address) {
    Mapping mapping = PITH_TRY(Mapping::create(memory, 0, TablePages::kChunkSize));
    if (!iommu_.pages().add(address, mapping.as())) return Error::no_memory;
    mapping.release();
    return {};
}

Result<> Service::make_room(u32 pages) {
    while (iommu_.pages().left() < pages) {
        const u32 number = iommu_.pages().chunks();
        if (number == TablePages::kMaxChunks) return Error::no_memory;
        Owned<Memory> memory = PITH_TRY(keep_.create_memory(TablePages::kChunkSize, abi::kMemoryContiguous));
        const u64 address = PITH_TRY(machine_.dma_address(memory));
        PITH_CHECK(store_.keep(
            memory, {KeptKind::tables, kNobody, kIommuPlace, 0, number, TablePages::kChunkSize, address, 0}));
        const Handle<Memory> kept = memory.keep();
        PITH_CHECK(use_tables(kept, address));
    }
    return {};
}

/// The kernel says of that memory what the record says.
bool Service::confirmed(const Kept& kept) {
    auto memory = store_.take<Memory>(kept);
    if (!memory.ok()) return false;
    auto address = machine_.dma_address(*memory);
    auto info = memory->memory_info();
    return address.ok() && *address == kept.address && info.ok() && info->size == kept.size;
}

/// It is the driver's again when that opens it, and then it is reset.
void Service::bring_to_rest(Function& f) {
    bus_.set_command(f, 0, kCommandMaster);
    if (f.opened == kOpen) f.opened = kStopped;
}

/// What was under way when a predecessor died is finished or undone; devices in use are left alone.
Result<> Service::settle() {
    for (u32 domain = 1; domain <= grant_count_; domain++)
        if (iommu_.has_domain(domain)) PITH_CHECK(fill_domain(domain));
    for (Function& f : bus_.functions()) {
        if (!confined(f) || (f.opened == kOpen) == (iommu_.domain_of(f.place) != 0)) continue;
        bring_to_rest(f);
        PITH_CHECK(iommu_.detach(f.place, false));
    }
    return {};
}

/// Nobody knows what is in the tables: no device goes on.
Result<> Service::start_anew() {
    for (Function& f : bus_.functions())
        if (f.class_code >> 16 != kBridgeClass) bring_to_rest(f);
    iommu_.pages().unmark_all();
    PITH_CHECK(make_room(3 + Dmar::kMaxUnits));
    return iommu_.start();
}

Result<> Service::watch_faults() {
    Kept* kept = store_.find(KeptKind::message, kNobody, kIommuPlace, 0);
    Handle<Interrupt> interrupt;
    if (kept != nullptr) {
        auto taken = store_.take<Interrupt>(*kept);
        if (taken.ok()) interrupt = std::move(*taken);
        else store_.forget(*kept);
    }
    if (!interrupt.valid()) {
        auto made = PITH_TRY(machine_.create_message_interrupt(keep_));
        Owned<Interrupt> fresh(std::move(made.interrupt));
        PITH_CHECK(
            store_.keep(fresh, {KeptKind::message, kNobody, kIommuPlace, 0, 0, 0, made.address, made.data}));
        interrupt = fresh.keep();
        kept = store_.find(KeptKind::message, kNobody, kIommuPlace, 0);
    }
    iommu_.set_interrupt(kept->address, kept->data);
    return fault_line_.attach(loop_, std::move(interrupt), [this] { take_faults(); });
}

/// Its domain has all the memory that was made for the driver.
Result<> Service::fill_domain(u32 domain) {
    Result<> result;
    store_.each(KeptKind::dma, [&](const Kept& kept) {
        if (result.ok() && kept.owner == grants_[domain - 1].owner)
            result = let_reach(domain, kept.address, kept.size);
    });
    return result;
}

Result<> Service::reserve_reach(u32 domain, u64 address, u64 size) {
    PITH_CHECK(make_room(Iommu::tables_for(size)));
    return iommu_.reserve(domain, address, size);
}

Result<> Service::let_reach(u32 domain, u64 address, u64 size) {
    PITH_CHECK(reserve_reach(domain, address, size));
    return iommu_.map(domain, address, size);
}

/// From now on it reaches the driver's memory.
Result<> Service::attach(u32 owner, const Function& f) {
    if (!confined(f)) return {};
    const u32 domain = domain_of(owner);
    PITH_CHECK(make_room(2));
    if (!iommu_.has_domain(domain)) PITH_CHECK(iommu_.make_domain(domain));
    PITH_CHECK(fill_domain(domain));
    PITH_CHECK(make_room(1));
    return iommu_.attach(f.place, domain);
}

Result<> Service::detach(const Function& f) {
    return confined(f) ? iommu_.detach(f.place, false) : Result<>();
}

void Service::take_faults() {
    iommu_.take_faults([this](const DmaFault& fault) { stop(fault); });
}

/// A device that reached beyond its memory is stopped until its driver opens it again.
void Service::stop(const DmaFault& fault) {
    const u32 place = iommu_.place_of(fault);
    const u32 domain = iommu_.domain_of(place);
    Function* function = bus_.find(place);
    if (function != nullptr) bring_to_rest(*function);
    if (make_room(1).ok()) static_cast<void>(iommu_.detach(place, true));
    trace_.add({Record::stopped, place, fault.address});
    tell(fault, place, domain <= grant_count_ ? domain : 0);
}

void Service::tell(const DmaFault& fault, u32 place, u32 domain) {
    Told& told = told_[domain];
    if (now() < told.again) {
        told.left_out++;
        return;
    }
    char left_out[48] = "";
    std::string_view more(left_out, 0);
    if (told.left_out != 0) more = format_to(left_out, " ({} more such since the last line)", told.left_out);
    char text[240];
    report(format_to(text,
                     "{}'s device {x}:{x}.{x} was to {} memory at {x} that is not its own; it is stopped{}",
                     domain == 0 ? "nobody" : grants_[domain - 1].owner_name, place >> 8, place >> 3 & 31,
                     place & 7, fault.read ? "read" : "write", fault.address, more));
    told = {now() + kReportStep, 0};
}

Result<Devices::Domain::Reply> Service::handle(const Devices::Domain& request, Badge) {
    Devices::Domain::Reply reply{};
    const u32 owner = static_cast<u32>(request.component);
    if (!begun_ || owner != request.component) return reply;
    for (const Function& f : bus_.functions()) {
        if (f.opened != kOpen || grant_of(owner, f) == nullptr) continue;
        if (confined(f)) {
            if (iommu_.domain_of(f.place) != domain_of(owner)) continue;
            reply.domain = domain_of(owner);
            if (reply.reach == static_cast<u32>(DmaReach::nothing))
                reply.reach = static_cast<u32>(DmaReach::domain);
        } else {
            reply.reach = static_cast<u32>(DmaReach::all);
        }
    }
    return reply;
}

}  // namespace pith::devices
