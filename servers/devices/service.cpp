// SPDX-License-Identifier: MIT
#include "servers/devices/service.hpp"

#include <algorithm>
#include <cstring>

#include "lib/base/format.hpp"

namespace pith::devices {

namespace {

/// From one offset of a BAR on, what can be handed out: `end` is where it stops; at most `offset`: nothing.
u64 reachable(const Function& f, u64 bar, u64 offset) {
    u64 end = round_up(f.bars[bar].size, abi::kPageSize);
    const auto withhold = [&](u64 begin, u64 size) {
        const u64 first = round_down(begin, abi::kPageSize);
        if (offset < round_up(begin + size, abi::kPageSize)) end = std::min(end, first);
    };
    if (f.messages != 0 && f.table_bar == bar) withhold(f.table_offset, f.messages * kMsixEntrySize);
    if (f.messages != 0 && f.pending_bar == bar) withhold(f.pending_offset, round_up(f.messages, 64) / 8);
    return end;
}

}  // namespace

Service::Service(Handle<Machine> machine, u64 rsdp, Handle<Pool> keep, Handle<CapTable> kept,
                 Handle<Memory> preserved)
    : preserved_(std::move(preserved)),
      machine_(std::move(machine)),
      keep_(std::move(keep)),
      store_(std::move(kept)),
      bus_(machine_, rsdp) {}

void Service::read_grants() {
    char key[16];
    for (grant_count_ = 0; grant_count_ < kMaxGrants; grant_count_++) {
        const std::string_view text = start_parameter(format_to(key, "pci.{}", grant_count_));
        if (text.empty()) break;
        if (!parse_grant(text, grants_[grant_count_])) panic("a malformed grant");
    }
}

Result<> Service::begin() {
    if (begun_) return {};
    read_grants();
    if (!mapping_.valid())
        mapping_ = PITH_TRY(Mapping::create(preserved_, 0, round_up(sizeof(State), abi::kPageSize)));
    State& state = *mapping_.as<State>();
    PITH_CHECK(bus_.begin(state));
    store_.begin(state);
    begun_ = true;
    return {};
}

/// A device is its class's only where nobody is granted it by its own name.
const Grant* Service::grant_of(u32 owner, const Function& function) const {
    const Grant* mine = nullptr;
    bool named = false;
    for (u32 i = 0; i < grant_count_; i++) {
        const Grant& grant = grants_[i];
        if (!grant.covers(function)) continue;
        if (!grant.of_class()) named = true;
        if (grant.owner == owner && (mine == nullptr || mine->of_class())) mine = &grant;
    }
    return mine != nullptr && mine->of_class() && named ? nullptr : mine;
}

u64 Service::dma_limit(u32 owner) const {
    u64 pages = 0;
    for (u32 i = 0; i < grant_count_; i++)
        if (grants_[i].owner == owner) pages += grants_[i].dma_pages;
    return pages * abi::kPageSize;
}

Result<Function*> Service::owned(Badge caller, u64 place) {
    PITH_CHECK(begin());
    Function* function = bus_.find(place);
    if (function == nullptr || grant_of(caller.client(), *function) == nullptr) return Error::access;
    return function;
}

Result<Function*> Service::opened(Badge caller, u64 place) {
    Function* function = PITH_TRY(owned(caller, place));
    if (function->opened == 0) return Error::bad_state;
    return function;
}

Result<Devices::Find::Reply> Service::handle(const Devices::Find& request, Badge caller) {
    PITH_CHECK(begin());
    u64 left = request.index;
    for (const Function& f : bus_.functions()) {
        const Grant* grant = grant_of(caller.client(), f);
        if (grant == nullptr || left-- != 0) continue;
        Devices::Find::Reply reply{f.place,        f.vendor,     f.id, f.subsystem_vendor,
                                   f.subsystem_id, f.class_code, 0,    {}};
        std::memcpy(reply.name, grant->name.data(), std::min(grant->name.size(), sizeof(reply.name) - 1));
        return reply;
    }
    return Error::not_found;
}

// Without memory for a Task the request goes unanswered, which tells the caller: cancelled.
void Service::handle(const Devices::Open& request, Request<Devices::Open> call) {
    auto function = owned(call.badge(), request.device);
    if (!function.ok()) return call.fail(function.error());
    static_cast<void>(spawn(open(**function, std::move(call))));
}

void Service::handle(const Devices::Close& request, Request<Devices::Close> call) {
    auto function = owned(call.badge(), request.device);
    if (!function.ok()) return call.fail(function.error());
    static_cast<void>(spawn(close(**function, std::move(call))));
}

void Service::stop_resetting() {
    resetting_ = false;
    resetters_.wake_one();
}

Task<void> Service::open(Function& f, Request<Devices::Open> call) {
    while (resetting_) co_await resetters_.wait();
    resetting_ = true;
    Result<> result = co_await reset(f);
    if (result.ok()) result = bus_.place_bars(f);
    if (result.ok()) {
        bus_.set_command(f, kCommandMemory | kCommandMaster | kCommandNoLine, 0);
        f.opened = 1;
        trace_.add({Record::opened, f.place, 0});
    }
    stop_resetting();
    if (!result.ok()) co_return call.fail(result.error());
    Devices::Open::Reply reply{};
    for (u32 i = 0; i < kBarCount; i++) reply.bar_sizes[i] = f.bars[i].size;
    reply.interrupts = std::min<u64>(f.messages, Devices::kMaxInterrupts);
    call.reply(reply);
}

Task<void> Service::close(Function& f, Request<Devices::Close> call) {
    while (resetting_) co_await resetters_.wait();
    resetting_ = true;
    const Result<> result = co_await reset(f);
    bus_.set_command(f, 0, kCommandMemory | kCommandMaster);
    f.opened = 0;
    stop_resetting();
    if (!result.ok()) co_return call.fail(result.error());
    call.reply({});
}

Result<Devices::Configuration::Reply> Service::handle(const Devices::Configuration& request, Badge caller) {
    const Function* function = PITH_TRY(opened(caller, request.device));
    const ConfigSpace config = PITH_TRY(bus_.config(*function));
    Devices::Configuration::Reply reply;
    for (u32 i = 0; i < 64; i++) reply.words[i] = config.read32(4 * i);
    return reply;
}

Result<Service::Region> Service::region(u32 owner, const Function& f, u64 bar, u64 offset) {
    if (bar >= kBarCount || f.bars[bar].size == 0 || offset % abi::kPageSize != 0 ||
        offset >= f.bars[bar].size)
        return Error::invalid;
    const u64 end = reachable(f, bar, offset);
    if (end <= offset) return Error::access;
    const u64 length = end - offset;
    const u64 address = f.bars[bar].address + offset;
    const u64 a = bar << 56 | offset;
    if (Kept* kept = store_.find(KeptKind::region, owner, f.place, a); kept != nullptr) {
        auto memory = store_.take<Memory>(*kept);
        if (memory.ok() && kept->address == address && kept->size == length)
            return Region{std::move(*memory), length};
        // The BAR was moved: nobody is to reach what is there now.
        if (memory.ok()) static_cast<void>(memory->destroy());
        store_.forget(*kept);
    }
    Owned<Memory> memory = PITH_TRY(machine_.device_memory(keep_, address, length, abi::kDeviceUncached));
    PITH_CHECK(store_.keep(memory, {KeptKind::region, owner, f.place, 0, a, length, address, 0}));
    return Region{memory.keep(), length};
}

void Service::handle(const Devices::Region& request, Request<Devices::Region> call) {
    auto function = opened(call.badge(), request.device);
    if (!function.ok()) return call.fail(function.error());
    auto region = this->region(call.badge().client(), **function, request.bar, request.offset);
    if (!region.ok()) return call.fail(region.error());
    trace_.add({Record::region, (*function)->place, request.bar});
    call.reply({region->length},
               HandleList().add(region->memory,
                                rights(abi::MemoryRight::read, abi::MemoryRight::write) | kCopyRight));
}

Result<Kept*> Service::dma(u32 owner, const Function& f, u64 key, u64 size) {
    if (size > dma_limit(owner)) return Error::no_space;
    size = round_up(size, abi::kPageSize);
    if (Kept* kept = store_.find(KeptKind::dma, owner, f.place, key); kept != nullptr) {
        if (size != 0 && kept->size != size) return Error::invalid;
        return kept;
    }
    if (size == 0) return Error::not_found;
    if (store_.dma_size(owner) + size > dma_limit(owner)) return Error::no_space;
    Owned<Memory> memory = PITH_TRY(keep_.create_memory(size, abi::kMemoryContiguous));
    const u64 address = PITH_TRY(machine_.dma_address(memory));
    PITH_CHECK(store_.keep(memory, {KeptKind::dma, owner, f.place, 0, key, size, address, 0}));
    static_cast<void>(memory.keep());
    return store_.find(KeptKind::dma, owner, f.place, key);
}

void Service::handle(const Devices::DmaMemory& request, Request<Devices::DmaMemory> call) {
    auto function = opened(call.badge(), request.device);
    if (!function.ok()) return call.fail(function.error());
    auto kept = dma(call.badge().client(), **function, request.key, request.size);
    if (!kept.ok()) return call.fail(kept.error());
    const Kept& record = **kept;
    auto memory = store_.take<Memory>(record);
    if (!memory.ok()) return call.fail(memory.error());
    // The record may have been written by a predecessor that ran wild: the address is the kernel's word.
    auto address = machine_.dma_address(*memory);
    auto info = memory->memory_info();
    if (!address.ok() || !info.ok() || info->size != record.size) return call.fail(Error::no_memory);
    trace_.add({Record::dma, record.place, record.size});
    call.reply(
        {*address, record.size},
        HandleList().add(*memory, rights(abi::MemoryRight::read, abi::MemoryRight::write) | kCopyRight));
}

}  // namespace pith::devices
