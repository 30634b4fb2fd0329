// SPDX-License-Identifier: MIT
#include "tests/host/kernel/generator.hpp"

namespace pith::test {

using abi::ObjectType;
using spec::Id;

namespace {
constexpr u64 kBase = 0x10'0000'0000;
constexpr auto kPool = static_cast<HandleIndex>(abi::RootSlot::pool);
}  // namespace

HandleIndex Generator::handle(Id thread, ObjectType type) {
    if (chance(3)) return static_cast<HandleIndex>(below(600));
    Id table = model().as<spec::Thread>(thread).captable;
    if (table == spec::kNone) return 0;
    std::vector<HandleIndex> fitting;
    bool any = type == ObjectType::none || chance(2);
    for (auto [slot, capability] : model().as<spec::CapTable>(table).slots)
        if (any || model().objects.at(model().capabilities.at(capability).object).type == type)
            fitting.push_back(slot);
    return fitting.empty() ? 0 : fitting[below(fitting.size())];
}

/// None, now, or soon. A controller never waits.
abi::Time Generator::deadline(bool controller) {
    if (controller || chance(15)) return abi::kPoll;
    return chance(50) ? abi::kNoDeadline : arch::fake::machine().now + 1 + below(3'000'000);
}

/// Whether destroying the object must not be tried: what the test needs, or what the caller itself lives on.
bool Generator::may_die(Id thread, Id object) {
    auto doomed = model().objects.at(object).type == ObjectType::pool ? model().pool_contents(object)
                                                                      : std::set<Id>{};
    doomed.insert(object);
    const auto& t = model().as<spec::Thread>(thread);
    for (Id id : doomed)
        if (twin_.is_protected(id) || id == thread || id == t.space || id == t.captable || id == t.buffer)
            return false;
    return true;
}

/// A stale slot of the thread's table; if there is none, any number.
HandleIndex Generator::stale_slot(Id thread) {
    const Id table = model().as<spec::Thread>(thread).captable;
    if (table == spec::kNone) return 0;
    const auto& stale = model().as<spec::CapTable>(table).stale;
    if (stale.empty()) return static_cast<HandleIndex>(below(700));
    return *std::next(stale.begin(), static_cast<long>(below(stale.size())));
}

void Generator::capability_step(u32 cpu, Id thread) {
    Call c;
    switch (below(12)) {
        case 0:
        case 1:
        case 2:
        case 3: {
            c.number = Syscall::cap_copy;
            c.handle = handle(thread, chance(40) ? ObjectType::endpoint : ObjectType::none);
            HandleIndex table = chance(50) ? 0 : handle(thread, ObjectType::captable);
            c.a = {table, named_slot(thread), chance(70) ? abi::kAllRights : below(64),
                   chance(75) ? 0 : 1 + below(9)};
            break;
        }
        case 4:
        case 5: {
            c.number = Syscall::cap_delete;
            c.handle = chance(50) ? stale_slot(thread) : handle(thread, ObjectType::none);
            if (c.handle < static_cast<HandleIndex>(abi::RootSlot::first_free)) return;
            if (chance(20)) c.a[0] = handle(thread, ObjectType::captable);
            break;
        }
        case 6:
            c.number = Syscall::cap_revoke;
            c.handle = handle(thread, ObjectType::none);
            break;
        case 7:
        case 8:
            c.number = Syscall::cap_take;
            c.handle = handle(thread, ObjectType::captable);
            c.a = {below(60), named_slot(thread)};
            break;
        default:
            c.number = Syscall::cap_info;
            c.handle = chance(10) ? stale_slot(thread) : handle(thread, ObjectType::none);
    }
    twin_.call(cpu, c);
}

void Generator::object_step(u32 cpu, Id thread) {
    Call c;
    c.handle = handle(thread, ObjectType::pool);
    switch (below(12)) {
        case 0:
        case 1: c.number = Syscall::endpoint_create; break;
        case 2: c.number = Syscall::signal_create; break;
        case 3:
            c.number = Syscall::pool_create;
            c.a[0] = chance(5) ? below(1 << 20) : below(150);
            break;
        case 4:
        case 5:
            c.number = Syscall::memory_create;
            c.a = {chance(90) ? (1 + below(12)) * abi::kPageSize : below(100'000), chance(85) ? 0 : below(3)};
            break;
        case 6:
            c.number = Syscall::space_create;
            c.a[0] = below(chance(90) ? 2 : 4);
            break;
        case 7:
            c.number = Syscall::captable_create;
            c.a[0] = chance(90) ? below(100) : below(20000);
            break;
        case 8:
            c.number = Syscall::pool_resize;
            c.a[0] = below(300);
            if (const auto* pool = model().find(thread, c.handle);
                pool != nullptr && pool->object == model().root_pool)
                return;
            break;
        default: {
            c.number = Syscall::object_destroy;
            c.handle = handle(thread, ObjectType::none);
            const auto* target = model().find(thread, c.handle);
            if (target != nullptr && !may_die(thread, target->object)) return;
            if (target != nullptr && model().objects.at(target->object).type == ObjectType::reply) return;
        }
    }
    twin_.call(cpu, c);
}

void Generator::space_step(u32 cpu, Id thread) {
    Call c;
    c.handle = handle(thread, ObjectType::space);
    u64 address = kBase + below(24) * abi::kPageSize + (chance(10) ? below(3) << 30 : 0);
    u64 length = (1 + below(chance(80) ? 6 : 20)) * abi::kPageSize;
    if (chance(3)) address += below(4096);
    if (chance(2)) address = abi::kUserTop - below(3) * abi::kPageSize;
    switch (below(8)) {
        case 0:
        case 1:
        case 2:
        case 3: {
            c.number = Syscall::space_map;
            c.a[0] = 1 + below(2);
            for (usize i = 0; i < c.a[0]; i++) {
                abi::MapRange range{.address = address + i * 8 * abi::kPageSize,
                                    .memory = handle(thread, ObjectType::memory),
                                    .flags = static_cast<u32>(below(chance(95) ? 16 : 64)),
                                    .offset = below(4) * abi::kPageSize,
                                    .length = length};
                memcpy(reinterpret_cast<char*>(c.buffer.words) + i * sizeof range, &range, sizeof range);
            }
            break;
        }
        case 4:
            c.number = Syscall::space_unmap;
            c.a = {address, length};
            break;
        case 5:
            c.number = Syscall::space_protect;
            c.a = {address, length, below(8)};
            break;
        default: {
            c.number = Syscall::space_share;
            abi::ShareRange range{.source = handle(thread, ObjectType::space),
                                  .rights = static_cast<u32>(below(8)),
                                  .address = address,
                                  .length = length,
                                  .source_rights = static_cast<u32>(below(8)),
                                  .reserved = 0};
            memcpy(c.buffer.words, &range, sizeof range);
        }
    }
    twin_.call(cpu, c);
}

/// A buffer and a thread from the same Pool (so that they die together), then its start.
void Generator::make_thread(u32 cpu, Id thread) {
    if (model().count(ObjectType::thread) > 24) return;
    HandleIndex pool = chance(60) ? kPool : handle(thread, ObjectType::pool);
    twin_.call(cpu, {.number = Syscall::memory_create, .handle = pool, .a = {abi::kPageSize}});
    if (twin_.running(cpu) != thread || twin_.last_handle == 0) return;
    HandleIndex buffer = twin_.last_handle;
    Id memory = model().find(thread, buffer)->object;
    bool foreign = chance(35);
    abi::ThreadCreate create{.space = handle(thread, ObjectType::space),
                             .captable = foreign && chance(95) ? 0
                                         : chance(60) ? static_cast<HandleIndex>(abi::RootSlot::captable)
                                                      : handle(thread, ObjectType::captable),
                             .handler = chance(foreign ? 95 : 40) ? handle(thread, ObjectType::endpoint) : 0,
                             .buffer = buffer,
                             .buffer_offset = chance(95) ? below(4) * abi::kBufferSize : below(6000),
                             .badge = below(100),
                             .budget = chance(75)   ? static_cast<HandleIndex>(abi::RootSlot::budget)
                                       : chance(10) ? 0
                                                    : handle(thread, ObjectType::budget),
                             .priority = static_cast<u8>(2 + below(6) * 10),
                             .kind = foreign ? abi::ThreadKind::foreign : abi::ThreadKind::native,
                             .cpu = static_cast<u16>(below(chance(98) ? Sim::kCpus : 9)),
                             .buffer_address = 0};
    Call c{.number = Syscall::thread_create, .handle = pool};
    memcpy(c.buffer.words, &create, sizeof create);
    twin_.call(cpu, c);
    HandleIndex made = twin_.last_handle;
    if (twin_.running(cpu) != thread || made == 0) return;
    twin_.protect(memory);
    if (foreign) twin_.call(cpu, {.number = Syscall::thread_resume, .handle = made, .a = {2}});
    else twin_.call(cpu, {.number = Syscall::thread_start, .handle = made, .a = {0x400000, 0x500000, 0}});
}

void Generator::thread_step(u32 cpu, Id thread) {
    if (chance(30)) {
        make_thread(cpu, thread);
        return;
    }
    Call c;
    c.handle = handle(thread, ObjectType::thread);
    const auto* target = model().find(thread, c.handle);
    if (target != nullptr && twin_.is_protected(target->object)) return;
    static constexpr Syscall kNumbers[] = {
        Syscall::thread_start,     Syscall::thread_resume,       Syscall::thread_resume,
        Syscall::thread_interrupt, Syscall::thread_stop,         Syscall::thread_continue,
        Syscall::thread_continue,  Syscall::thread_set_priority, Syscall::thread_bind_signal,
        Syscall::thread_set_cpu,   Syscall::thread_set_budget};
    c.number = kNumbers[below(std::size(kNumbers))];
    switch (c.number) {
        case Syscall::thread_start: c.a = {0x400000, 0x500000, 0}; break;
        case Syscall::thread_resume: c.a = {widened(below(chance(95) ? 3 : 6)), below(1000)}; break;
        case Syscall::thread_set_priority: c.a[0] = widened(chance(95) ? 2 + below(80) : below(400)); break;
        case Syscall::thread_bind_signal: c.a[0] = chance(20) ? 0 : handle(thread, ObjectType::signal); break;
        case Syscall::thread_set_cpu: c.a[0] = widened(below(chance(95) ? Sim::kCpus : 10)); break;
        case Syscall::thread_set_budget: c.a[0] = handle(thread, ObjectType::budget); break;
        default: break;
    }
    twin_.call(cpu, c);
}

Call Generator::message(Id thread, Syscall number, HandleIndex target) {
    Call c{.number = number, .handle = target};
    u32 handles = chance(70) ? 0 : static_cast<u32>(below(chance(95) ? 4 : 8));
    c.tag = abi::Tag(static_cast<u16>(below(6)),
                     chance(75) ? 0 : static_cast<u32>(below(chance(95) ? 65 : 128)), handles)
                .bits();
    if (chance(5)) c.tag |= abi::kTagKernel;
    for (u64& word : c.words) word = random_();
    for (u64& word : c.buffer.words) word = random_();
    for (u32 i = 0; i < std::min(handles, 4u); i++) {
        HandleIndex sent = handle(thread, chance(20) ? ObjectType::reply : ObjectType::none);
        bool own = sent < static_cast<HandleIndex>(abi::RootSlot::first_free);
        c.buffer.handles[i] = {
            .handle = sent,
            .rights = static_cast<abi::RightsBits>(chance(70) ? abi::kAllRights : below(64)),
            .flags = !own && chance(50) ? abi::kHandleMove : u8{0},
            .reserved = 0};
    }
    c.deadline = deadline(thread == twin_.controller(model().as<spec::Thread>(thread).cpu));
    return c;
}

void Generator::message_step(u32 cpu, Id thread) {
    const auto& t = model().as<spec::Thread>(thread);
    HandleIndex endpoint = handle(thread, ObjectType::endpoint);
    if (t.current != spec::kNone && chance(60)) {
        switch (below(5)) {
            case 0: twin_.call(cpu, {.number = Syscall::take_reply}); return;
            case 1: twin_.call(cpu, message(thread, Syscall::reply, 0)); return;
            default: twin_.call(cpu, message(thread, Syscall::reply_recv, endpoint)); return;
        }
    }
    switch (below(12)) {
        case 0:
        case 1:
        case 2: twin_.call(cpu, message(thread, Syscall::call, endpoint)); return;
        case 3: twin_.call(cpu, message(thread, Syscall::send, endpoint)); return;
        case 4:
        case 5:
        case 6:
        case 7: twin_.call(cpu, message(thread, Syscall::recv, endpoint)); return;
        case 8: twin_.call(cpu, message(thread, Syscall::reply_recv, endpoint)); return;
        case 9: twin_.call(cpu, message(thread, Syscall::reply, handle(thread, ObjectType::reply))); return;
        case 10:
            twin_.call(cpu, {.number = Syscall::adopt, .handle = handle(thread, ObjectType::reply)});
            return;
        default: twin_.call(cpu, {.number = Syscall::take_reply}); return;
    }
}

void Generator::signal_step(u32 cpu, Id thread) {
    Call c;
    c.handle = handle(thread, ObjectType::signal);
    if (chance(60)) {
        c.number = Syscall::signal_notify;
        c.a[0] = u64{1} << below(6);
    } else {
        c.number = Syscall::signal_wait;
        c.a = {below(64), deadline(thread == twin_.controller(cpu))};
    }
    twin_.call(cpu, c);
}

/// Limited ones too, and what is more than the parent grants.
void Generator::budget_step(u32 cpu, Id thread) {
    Call c;
    u64 period = chance(95) ? 100'000 + below(10'000'000) : below(20'000);
    abi::BudgetParameters wanted{.capacity = chance(50)   ? period
                                             : chance(95) ? 1 + below(period)
                                                          : below(2 * period),
                                 .period = period,
                                 .cpus = chance(80) ? 0xf : below(32),
                                 .ceiling = static_cast<u8>(chance(80) ? 200 + below(30) : below(256)),
                                 .reserved = {},
                                 .signal = chance(50) ? 0 : handle(thread, ObjectType::signal),
                                 .signal_bits = below(64)};
    memcpy(c.buffer.words, &wanted, sizeof wanted);
    if (chance(70)) {
        c.number = Syscall::budget_create;
        c.handle = handle(thread, ObjectType::pool);
        c.a[0] = chance(70) ? static_cast<HandleIndex>(abi::RootSlot::budget)
                            : handle(thread, ObjectType::budget);
    } else {
        c.number = Syscall::budget_configure;
        c.handle = handle(thread, ObjectType::budget);
        const auto* target = model().find(thread, c.handle);
        if (target != nullptr && twin_.is_protected(target->object)) return;
    }
    twin_.call(cpu, c);
}

void Generator::info_step(u32 cpu, Id thread) {
    static constexpr std::pair<Syscall, ObjectType> kCalls[] = {
        {Syscall::pool_info, ObjectType::pool},          {Syscall::memory_info, ObjectType::memory},
        {Syscall::space_info, ObjectType::space},        {Syscall::budget_info, ObjectType::budget},
        {Syscall::thread_info, ObjectType::thread},      {Syscall::thread_info, ObjectType::thread},
        {Syscall::thread_fpu_read, ObjectType::thread},  {Syscall::thread_fpu_read, ObjectType::thread},
        {Syscall::thread_fpu_write, ObjectType::thread}, {Syscall::machine_info, ObjectType::machine}};
    auto [number, type] = kCalls[below(std::size(kCalls))];
    Call c{.number = number, .handle = handle(thread, type)};
    if (number == Syscall::machine_info) c.a = {widened(below(4)), below(6), below(600)};
    else if (chance(5)) c.a[0] = below(4) * 256;
    for (u64& word : c.buffer.words) word = random_();
    twin_.call(cpu, c);
}

void Generator::make_device(u32 cpu, Id thread) {
    Call c{.handle = handle(thread, ObjectType::machine), .a = {handle(thread, ObjectType::pool)}};
    switch (below(3)) {
        case 0:
            c.number = Syscall::interrupt_create;
            c.a[1] = widened(below(chance(90) ? 6 : 40));
            c.a[2] = below(chance(90) ? 4 : 6);
            if (chance(40)) c.a[1] = chance(10), c.a[2] = abi::kInterruptMessage;
            break;
        case 1:
            c.number = Syscall::ports_create;
            c.a[1] = widened(below(0x10000));
            c.a[2] = widened(below(chance(80) ? 16 : 0x10000));
            break;
        default:  // above the RAM, each at a place of its own; sometimes in it
            c.number = Syscall::machine_device_memory;
            c.a[1] = chance(90) ? u64{0x1'0000'0000} + (devices_++ << 20) : below(2 * Sim::kRam);
            if (chance(90)) c.a[1] &= ~(abi::kPageSize - 1);
            c.a[2] = chance(95) ? (1 + below(8)) * abi::kPageSize - below(2) : below(u64{1} << 50);
            c.a[3] = below(chance(95) ? 2 : 4);
    }
    twin_.call(cpu, c);
}

void Generator::device_step(u32 cpu, Id thread) {
    Call c;
    switch (below(8)) {
        case 0:
        case 1:
        case 2: make_device(cpu, thread); return;
        case 3:
            c.number = Syscall::interrupt_bind;
            c.handle = handle(thread, ObjectType::interrupt);
            c.a = {handle(thread, ObjectType::signal), below(64)};
            break;
        case 4:
            c.number = Syscall::interrupt_acknowledge;
            c.handle = handle(thread, ObjectType::interrupt);
            break;
        case 5:
        case 6:
            c.number = Syscall::ports_bind;
            c.handle = handle(thread, ObjectType::io_ports);
            c.a[0] = handle(thread, ObjectType::space);
            break;
        default:
            if (chance(40)) {
                c.number = Syscall::machine_dma_address;
                c.handle = handle(thread, ObjectType::machine);
                c.a[0] = handle(thread, ObjectType::memory);
                break;
            }
            c.number = chance(80) ? Syscall::machine_log : Syscall::machine_exit;
            c.handle = handle(thread, ObjectType::machine);
            c.a[0] = below(chance(90) ? 513 : 2000);
            for (u64& word : c.buffer.words) word = random_();
    }
    twin_.call(cpu, c);
}

/// What user code does without a call: it writes to a page, it uses the FPU; or a call that finds such writes.
void Generator::user_step(u32 cpu, Id thread) {
    const auto& t = model().as<spec::Thread>(thread);
    u64 address = kBase + below(24) * abi::kPageSize;
    if (const auto& pages = model().as<spec::Space>(t.space).pages; !pages.empty() && chance(90))
        address = std::next(pages.begin(), static_cast<i64>(below(pages.size())))->first;
    bool native = t.kind == abi::ThreadKind::native;
    if (native && chance(30)) {
        u64 count = chance(90) ? 1 + below(40) : below(5000);
        twin_.call(cpu, {.number = Syscall::space_dirty,
                         .handle = handle(thread, ObjectType::space),
                         .a = {chance(50) ? kBase : address, count}});
    } else if (chance(60)) {
        twin_.write(cpu, address + below(abi::kPageSize));
    } else {
        twin_.use_fpu(cpu, 1 + static_cast<u32>(below(63)), random_());
    }
}

void Generator::step() {
    if (chance(6)) {
        twin_.advance(1 + below(chance(50) ? 1'000'000 : 8'000'000));
        return;
    }
    if (chance(2)) {
        twin_.interrupt(static_cast<u32>(chance(60) ? below(6) : arch::fake::kLines - 1 - below(4)));
        return;
    }
    u32 cpu = static_cast<u32>(below(Sim::kCpus));
    Id thread = twin_.running(cpu);
    if (thread == spec::kNone) return;
    const auto& t = model().as<spec::Thread>(thread);
    if (t.kind == abi::ThreadKind::foreign) {
        if (chance(60)) twin_.foreign_syscall(cpu);
        else if (chance(30)) user_step(cpu, thread);
        else twin_.fault(cpu, below(1 << 20) << 12, below(8));
        return;
    }
    bool controller = thread == twin_.controller(cpu);
    if (!controller && chance(2)) {
        twin_.fault(cpu, below(1 << 20) << 12, below(8));
        return;
    }
    switch (below(19)) {
        case 0:
        case 1: capability_step(cpu, thread); break;
        case 2:
        case 3: object_step(cpu, thread); break;
        case 4:
        case 5: space_step(cpu, thread); break;
        case 6:
        case 7: thread_step(cpu, thread); break;
        case 8: signal_step(cpu, thread); break;
        case 9:
            twin_.call(cpu, {.number = chance(60)   ? Syscall::yield
                                       : chance(50) ? Syscall::clock
                                                    : Syscall::null});
            break;
        case 10: budget_step(cpu, thread); break;
        case 11: info_step(cpu, thread); break;
        case 12: device_step(cpu, thread); break;
        case 13: user_step(cpu, thread); break;
        default: message_step(cpu, thread);
    }
}

}  // namespace pith::test
