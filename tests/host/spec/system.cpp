// SPDX-License-Identifier: MIT
// The first state, and which rule each system call follows.
#include "tests/host/spec/system.hpp"

namespace pith::spec {

System::System(u64 pool_pages, u32 cpu_count) : cpus(cpu_count) {
    root_pool = add(ObjectType::pool, kNone, Pool{.limit = pool_pages});
    Id space = add(ObjectType::space, root_pool, Space{});
    Id table = add(ObjectType::captable, root_pool, CapTable{});
    Id buffer = add(ObjectType::memory, root_pool, Memory{.pages = 1});
    Budget unlimited;
    unlimited.parameters = {.capacity = 1'000'000,
                            .period = 1'000'000,
                            .cpus = ~u64{0},
                            .ceiling = 255,
                            .reserved = {},
                            .signal = 0,
                            .signal_bits = 0};
    Id budget = add(ObjectType::budget, root_pool, unlimited);
    Thread root;
    root.space = space;
    root.captable = table;
    root.buffer = buffer;
    root.budget = budget;
    root.priority = 255;
    root.state = State::ready;
    root_thread = add(ObjectType::thread, root_pool, root);
    auto put = [&](abi::RootSlot slot, Id object) {
        HandleIndex placed = 0;
        place(table, static_cast<HandleIndex>(slot), {.object = object, .rights = abi::kAllRights}, kNone,
              placed);
    };
    put(abi::RootSlot::pool, root_pool);
    put(abi::RootSlot::space, space);
    put(abi::RootSlot::captable, table);
    put(abi::RootSlot::thread, root_thread);
    put(abi::RootSlot::budget, budget);
    put(abi::RootSlot::buffer, buffer);
    put(abi::RootSlot::machine, add(ObjectType::machine, kNone, Machine{}));
}

Outcome System::call(Id thread, const Call& call, Observed observed) {
    observed_ = std::move(observed);
    using S = abi::Syscall;
    auto simple = [&](ObjectType type, decltype(Object::body) body) {
        return create(thread, call, type, std::move(body), 0);
    };
    switch (call.number) {
        case S::null:
        case S::yield: return {};
        case S::clock: return {.r0 = now, .output = {}};
        case S::call:
        case S::send: return start_call(thread, call);
        case S::recv: return start_recv(thread, call);
        case S::reply_recv: return reply_recv(thread, call);
        case S::reply: return reply(thread, call);
        case S::take_reply: return take_reply(thread, call);
        case S::adopt: return adopt(thread, call);
        case S::signal_notify: return signal_notify(thread, call);
        case S::signal_wait: return signal_wait(thread, call);
        case S::signal_create: return simple(ObjectType::signal, Signal{});
        case S::endpoint_create: return simple(ObjectType::endpoint, Endpoint{});
        case S::cap_copy: return cap_copy(thread, call);
        case S::cap_delete: return cap_delete(thread, call);
        case S::cap_revoke: return cap_revoke(thread, call);
        case S::cap_info: return cap_info(thread, call);
        case S::cap_take: return cap_take(thread, call);
        case S::object_destroy: return object_destroy(thread, call);
        case S::pool_create: return pool_create(thread, call);
        case S::pool_resize: return pool_resize(thread, call);
        case S::memory_create: return memory_create(thread, call);
        case S::space_create:
            if (call.a[0] > 1) {
                Errors errors{Error::invalid};
                lookup(thread, call.handle, ObjectType::pool,
                       static_cast<RightsBits>(abi::PoolRight::allocate), errors);
                return {.errors = errors};
            }
            return simple(ObjectType::space, Space{.jit = call.a[0] == 1, .pages = {}});
        case S::space_map: return space_map(thread, call);
        case S::space_unmap: return space_unmap(thread, call);
        case S::space_protect: return space_protect(thread, call);
        case S::space_share: return space_share(thread, call);
        case S::space_dirty: return space_dirty(thread, call);
        case S::pool_info: return pool_info(thread, call);
        case S::memory_info: return memory_info(thread, call);
        case S::space_info: return space_info(thread, call);
        case S::budget_info: return budget_info(thread, call);
        case S::thread_info: return thread_info(thread, call);
        case S::thread_fpu_read:
        case S::thread_fpu_write: return thread_fpu(thread, call);
        case S::captable_create: return captable_create(thread, call);
        case S::thread_create: return thread_create(thread, call);
        case S::thread_start:
        case S::thread_resume:
        case S::thread_interrupt:
        case S::thread_stop:
        case S::thread_continue: return thread_call(thread, call);
        case S::thread_set_cpu:
        case S::thread_set_priority:
        case S::thread_set_budget:
        case S::thread_bind_signal: return thread_configure(thread, call);
        case S::budget_create: return budget_create(thread, call);
        case S::budget_configure: return budget_configure(thread, call);
        case S::interrupt_create: return interrupt_create(thread, call);
        case S::interrupt_bind: return interrupt_bind(thread, call);
        case S::interrupt_acknowledge: return interrupt_acknowledge(thread, call);
        case S::ports_create: return ports_create(thread, call);
        case S::ports_bind: return ports_bind(thread, call);
        case S::machine_device_memory: return device_memory(thread, call);
        case S::machine_dma_address: return dma_address(thread, call);
        case S::machine_info:
        case S::machine_log:
        case S::machine_exit: return machine_call(thread, call);
        default: return {.errors = {Error::bad_syscall}};
    }
}

}  // namespace pith::spec
