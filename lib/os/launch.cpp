// SPDX-License-Identifier: MIT
// Building a component. One Memory holds its StartInfo, message buffer, stack and writable data, in this
// order.
#include "lib/os/launch.hpp"

#include <cstring>

#include "abi/trace.hpp"
#include "lib/os/elf_loader.hpp"
#include "lib/os/mapping.hpp"

namespace pith {

namespace {

constexpr u64 kStartPage = 0;
constexpr u64 kBufferPage = 1;
constexpr u64 kStackPage = 2;

/// What is made on the way.
struct Parts {
    Handle<Space> space;
    Handle<CapTable> captable;
    Handle<Memory> memory;
    Handle<Budget> budget;
    Handle<Thread> thread;
    Handle<Signal> signal;
};

Result<NamedHandle*> add_handle(StartInfo& info, std::string_view name, abi::ObjectType type, u64 value) {
    if (info.handle_count == kMaxStartHandles) return Error::no_slot;
    NamedHandle& entry = info.handles[info.handle_count];
    if (name.size() >= sizeof(entry.name)) return Error::invalid;
    std::memcpy(entry.name, name.data(), name.size());
    entry.type = static_cast<u32>(type);
    entry.value = value;
    info.handle_count++;
    return &entry;
}

template <typename T>
Result<> give(StartInfo& info, const Parts& parts, std::string_view name, const HandleBase<T>& handle,
              abi::RightsBits mask, u64 value = 0) {
    NamedHandle* entry = PITH_TRY(add_handle(info, name, detail::kTypeOf<T>, value));
    entry->handle = PITH_TRY(handle.copy_to(parts.captable, 0, mask));
    return {};
}

Result<> give_own_objects(StartInfo& info, const Parts& parts, const LaunchPlan& plan) {
    using namespace abi;
    PITH_CHECK(
        give(info, parts, "pool", *plan.run_pool, rights(PoolRight::allocate, PoolRight::info) | kRightCopy));
    PITH_CHECK(
        give(info, parts, "space", parts.space, rights(SpaceRight::map, SpaceRight::info) | kRightCopy));
    PITH_CHECK(give(info, parts, "captable", parts.captable,
                    rights(CapTableRight::insert, CapTableRight::take) | kRightCopy));
    PITH_CHECK(give(info, parts, "thread", parts.thread, kAllRights));
    const RightsBits budget_rights = plan.budget_manage ? kAllRights
                                                        : rights(BudgetRight::bind, BudgetRight::info);
    PITH_CHECK(give(info, parts, "budget", parts.budget, budget_rights));
    PITH_CHECK(give(info, parts, "signal", parts.signal,
                    rights(SignalRight::notify, SignalRight::wait) | kRightCopy));
    return {};
}

Result<> give_grants(StartInfo& info, const Parts& parts, const LaunchPlan& plan) {
    for (Grant& grant : plan.grants) {
        NamedHandle* entry = PITH_TRY(add_handle(info, grant.name, grant.type, grant.value));
        if (grant.slot == 0) {
            const SyscallResult copied = invoke(abi::Syscall::cap_copy, grant.source, parts.captable.index(),
                                                0, grant.rights, grant.badge);
            if (copied.error != Error::ok) return copied.error;
            grant.slot = static_cast<abi::HandleIndex>(copied.r0);
        }
        entry->handle = grant.slot;
    }
    return {};
}

Result<> fill_parameters(StartInfo& info, std::span<const Parameter> parameters) {
    for (const Parameter& p : parameters) {
        const usize size = p.key.size() + p.value.size() + 2;
        if (size > sizeof(info.parameters) - info.parameters_size) return Error::no_space;
        char* out = info.parameters + info.parameters_size;
        std::memcpy(out, p.key.data(), p.key.size());
        out[p.key.size()] = '=';
        std::memcpy(out + p.key.size() + 1, p.value.data(), p.value.size());
        out[size - 1] = 0;
        info.parameters_size += static_cast<u32>(size);
    }
    return {};
}

Result<> fill_start_info(StartInfo& info, const Parts& parts, const LaunchPlan& plan) {
    const StartInfo& own = start_info();
    info.magic = kStartMagic;
    if (plan.name.size() >= sizeof(info.name)) return Error::invalid;
    std::memcpy(info.name, plan.name.data(), plan.name.size());
    info.component = plan.component;
    info.generation = plan.generation;
    info.wall_clock = own.wall_clock;
    info.memory_size = own.memory_size;
    info.cpus = own.cpus;
    info.flags = own.flags;
    PITH_CHECK(give_own_objects(info, parts, plan));
    PITH_CHECK(give_grants(info, parts, plan));
    return fill_parameters(info, plan.parameters);
}

/// Copies what the file has of the writable segments. Only that is mapped here: zeroed data may be many pages.
Result<> fill_writable(const ComponentImage& image, const Handle<Memory>& memory, u64 offset) {
    for (usize i = 0; i < image.segment_count; i++) {
        const ComponentImage::Segment& s = image.segments[i];
        if ((s.flags & abi::kMapWrite) == 0) continue;
        if (s.file_size != 0) {
            const u64 length = ComponentImage::pages(s.file_size) * abi::kPageSize;
            const Mapping area = PITH_TRY(Mapping::create(memory, offset, length));
            std::memcpy(area.as(), image.bytes.data() + s.offset, s.file_size);
        }
        offset += ComponentImage::pages(s.memory_size) * abi::kPageSize;
    }
    return {};
}

Result<> map_memory(const Parts& parts, const LaunchPlan& plan) {
    const u64 stack_size = u64{plan.stack_pages} * abi::kPageSize;
    const abi::HandleIndex memory = parts.memory.index();
    const abi::MapRange ranges[] = {
        {kStartInfo, memory, abi::kMapRead, kStartPage * abi::kPageSize, abi::kPageSize},
        {kFirstBuffer, memory, abi::kMapRead | abi::kMapWrite, kBufferPage * abi::kPageSize, abi::kPageSize},
        {kStackTop - stack_size, memory, abi::kMapRead | abi::kMapWrite, kStackPage * abi::kPageSize,
         stack_size},
        {kInfoPage, plan.info_page->index(), abi::kMapRead, 0, abi::kPageSize},
    };
    if (auto mapped = parts.space.map_ranges(ranges); !mapped.ok()) return mapped.error();
    return {};
}

Result<Handle<Thread>> create_thread(const Parts& parts, const LaunchPlan& plan) {
    abi::ThreadCreate arguments{};
    arguments.space = parts.space.index();
    arguments.captable = parts.captable.index();
    arguments.handler = plan.fault_endpoint;
    arguments.buffer = parts.memory.index();
    arguments.buffer_offset = kBufferPage * abi::kPageSize;
    arguments.badge = plan.fault_badge;
    arguments.budget = parts.budget.index();
    arguments.priority = plan.priority;
    arguments.kind = abi::ThreadKind::native;
    arguments.cpu = plan.cpu;
    arguments.buffer_address = kFirstBuffer;
    return plan.run_pool->create_thread(arguments);
}

}  // namespace

Result<Launched> prepare_component(const LaunchPlan& plan, u64& entry) {
    const ComponentImage image = PITH_TRY(ComponentImage::parse(plan.image.content));
    Parts parts;
    parts.space = PITH_TRY(plan.run_pool->create_space(plan.jit));
    const bool new_table = plan.captable == nullptr;
    parts.captable = PITH_TRY(new_table ? plan.run_pool->create_captable(plan.slots) : plan.captable->copy());
    const u64 data_offset = (kStackPage + plan.stack_pages) * abi::kPageSize;
    const u64 total = data_offset + image.writable_pages() * abi::kPageSize;
    parts.memory = PITH_TRY(plan.run_pool->create_memory(total));
    const Mapping start = PITH_TRY(
        Mapping::create(parts.memory, kStartPage * abi::kPageSize, abi::kPageSize));
    PITH_CHECK(image.map_read_only(parts.space, *plan.bundle, plan.image.offset));
    PITH_CHECK(image.map_writable(parts.space, parts.memory, data_offset));
    PITH_CHECK(fill_writable(image, parts.memory, data_offset));
    PITH_CHECK(map_memory(parts, plan));
    parts.budget = PITH_TRY(plan.run_pool->create_budget(*plan.parent_budget, plan.budget));
    parts.thread = PITH_TRY(create_thread(parts, plan));
    parts.signal = PITH_TRY(plan.run_pool->create_signal());
    PITH_CHECK(parts.thread.bind_signal(parts.signal));
    PITH_CHECK(parts.thread.set_name(plan.name, plan.component & (abi::kTraceForeign - 1), "main"));
    PITH_CHECK(fill_start_info(*start.as<StartInfo>(), parts, plan));
    entry = image.entry;
    return Launched{std::move(parts.thread), std::move(parts.signal), std::move(parts.space),
                    std::move(parts.memory)};
}

Result<> start_component(const Launched& launched, u64 entry) {
    return launched.thread.start(entry, kStackTop, 0);
}

}  // namespace pith
