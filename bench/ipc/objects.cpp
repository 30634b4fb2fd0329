// SPDX-License-Identifier: MIT
// Mapping, threads, and what the kernel noted at its start.
#include "bench/ipc/bench.hpp"

namespace pith::bench {

void map_unmap(Context& c) {
    constexpr u64 kPage = abi::kPageSize;
    const auto memory = must(c.pool.create_memory(kPage), "no Memory");
    const u64 address = take_addresses(kPage);
    measure("map_unmap", [&] {
        const u64 start = ticks();
        const auto mapped = own_space().map(address, memory, 0, kPage, abi::kMapRead | abi::kMapWrite);
        const auto unmapped = own_space().unmap(address, kPage);
        const u64 end = ticks();
        must(mapped, "cannot map");
        must(unmapped, "cannot unmap");
        return end - start;
    });
}

/// Made with all that it takes to be started, but not started.
void thread(Context& c) {
    const auto buffer = must(c.pool.create_memory(abi::kPageSize), "no Memory");
    const abi::ThreadCreate arguments{
        .space = c.other.space().index(),
        .captable = c.other.table().index(),
        .handler = abi::kNoHandle,
        .buffer = buffer.index(),
        .buffer_offset = 0,
        .badge = 0,
        .budget = own_budget().index(),
        .priority = kPriority,
        .kind = abi::ThreadKind::native,
        .cpu = 0,
        .buffer_address = 0,
    };
    measure("thread", [&] {
        const u64 start = ticks();
        auto created = c.pool.create_thread(arguments);
        if (!created.ok()) panic("no Thread");
        const auto destroyed = created->destroy();
        const u64 end = ticks();
        must(destroyed, "cannot destroy a Thread");
        return end - start;
    });
}

void boot_user(Context&) {
    u64 values[] = {kernel_times().user_tsc - kernel_times().entry_tsc};
    report_values("boot_user", values);
}

}  // namespace pith::bench
