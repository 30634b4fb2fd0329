// SPDX-License-Identifier: MIT
// The Linux personality server: one zone, one event loop.
#include <algorithm>

#include "lib/os/bundle.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/start_info.hpp"
#include "protocol/run.hpp"
#include "servers/linux/address_space.hpp"
#include "servers/linux/crash_reports.hpp"
#include "servers/linux/heap_guard.hpp"
#include "servers/linux/init.hpp"
#include "servers/linux/net/inet/network.hpp"
#include "servers/linux/server.hpp"
#include "servers/linux/services.hpp"
#include "servers/linux/shutdown.hpp"
#include "servers/linux/vfs/diskfs/page_cache.hpp"
#include "servers/linux/vfs/diskfs/root.hpp"
#include "servers/linux/vfs/vfs.hpp"

namespace pith {

[[noreturn]] void assertion_failed(const char* text);  // lib/base/assert.hpp
void assertion_failed(const char* text) { panic(text); }

namespace {

using lx::Zone;

/// Pages of the run Pool that stay with the server itself: its heap grows with what the zone does.
constexpr u64 kHeapShare = 8;
constexpr u64 kHeapMinimum = 512;

/// A Pool for everything of the zone, so that no program's appetite reaches the server's own memory.
Handle<Pool> make_zone_pool() {
    auto info = own_pool().pool_info();
    if (!info.ok()) panic("the run Pool cannot be asked");
    const u64 left = info->limit - info->used;
    const u64 kept = std::max(left / kHeapShare, kHeapMinimum);
    if (left < kept + kHeapMinimum) panic("too little memory for a zone");
    auto pool = own_pool().create_pool(left - kept);
    if (!pool.ok()) panic("no Pool for the zone");
    lx::heap_limit = heap_use().allocated + kept * abi::kPageSize / 4 * 3;
    return std::move(*pool);
}

u8 digit(char c) { return static_cast<u8>(c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0'); }

/// Entropy and wall clock from the host.
void set_up_clock_and_random(Zone& zone, std::string_view config) {
    zone.set_realtime(wall_clock());
    while (const auto record = run::next_record(config)) {
        if (record->key == "seed") {
            u8 seed[32] = {};
            for (usize i = 0; i + 1 < record->value.size() && i / 2 < sizeof seed; i += 2)
                seed[i / 2] = static_cast<u8>(digit(record->value[i]) << 4 | digit(record->value[i + 1]));
            zone.random_source.add_entropy(seed);
        }
    }
    zone.random_source.add_processor_entropy();
    if (!zone.reborn) return;
    // With the same seed: what the dead one's programs got, and its sessions with other servers, must not come again.
    const u64 life[] = {start_info().generation, now()};
    zone.random_source.add_entropy({reinterpret_cast<const u8*>(life), sizeof life});
}

/// What run/config says of `key`; empty: nothing.
std::string_view record_of(std::string_view config, std::string_view key) {
    std::string_view value;
    while (const auto record = run::next_record(config))
        if (record->key == key) value = record->value;
    return value;
}

void run_server() {
    EventLoop loop;
    lx::Services services(loop);
    services.console = Client<Console>::from_start();
    services.process = Client<Process>::from_start();
    services.log = Client<Log>::from_start();
    services.block = Client<Block>::from_start();
    services.fs = Client<Fs>::from_start();
    services.share = Client<Fs>::from_start(Share::kName);
    services.memory_fs = Client<Fs>::from_start(MemoryFs::kName);
    services.nvme = Client<Block>::from_start("nvme");
    services.net = Client<Net>::from_start();
    services.devices = Client<Devices>::from_start();
    services.chaos = Client<Chaos>::from_start();

    const NamedHandle* bundle_entry = find_start_handle("bundle");
    if (bundle_entry == nullptr) panic("no bundle");
    const u64 bundle_size = bundle_entry->value;
    const auto bundle_memory = take_start_handle<Memory>("bundle");

    const Handle<Pool> pool = make_zone_pool();
    Zone& zone = *new Zone(pool.index(), own_space().index());
    zone.services = &services;
    zone.reborn = start_info().generation != 0;
    zone.page_cache = new lx::PageCache(zone);
    zone.endpoint = loop.endpoint().index();
    zone.budget = own_budget().index();
    zone.cpus = start_info().cpus;
    auto own = own_thread().thread_info();
    if (!own.ok()) panic("the own Thread cannot be asked");
    ThreadOptions keeper{.name = "deadlines", .priority = own->priority, .cpu = own->cpu};
    if (!loop.keep_deadlines(own_pool(), keeper).ok()) panic("no memory for a thread");
    zone.balancer.start(own->cpu, zone.cpus);
    zone.max_threads = static_cast<u32>(std::clamp<u64>(zone.frames.total() / 16, 64, 30000));
    const auto first_frame = zone.frames.adopt_memory(bundle_memory.index(), bundle_size);
    if (!first_frame.ok()) panic("the bundle cannot be mapped");
    const std::span<const u8> bytes(lx::FrameAllocator::data(*first_frame), bundle_size);
    const auto bundle = Bundle::open(bytes);
    if (!bundle.ok()) panic("the bundle is damaged");
    std::string_view config;
    if (const auto file = bundle.value().find(run::kConfigName); file.ok()) {
        const auto content = file.value().content;
        config = {reinterpret_cast<const char*>(content.data()), content.size()};
    }
    const auto info = take_start_handle<Memory>("info");
    auto vdso = lx::Vdso::create(zone.frames, info.index());
    if (!vdso.ok()) panic("no memory for the vDSO");
    zone.vdso = std::move(vdso).value();
    set_up_clock_and_random(zone, config);
    loop.on_kernel_event([&zone](Message& message) { return lx::handle_event(zone, message); });
    if (!lx::Vfs::start(zone, bytes, *first_frame).ok()) panic("no root file system");
    if (lx::finish_end(zone)) loop.run();
    if (const auto root = record_of(config, "root"); !root.empty() && !lx::mount_root(zone, root).ok())
        loop.run();
    if (const auto place = record_of(config, "share"); !place.empty()) lx::mount_share(zone, place);
    zone.network->start();
    if (!lx::start_init(zone, config).ok()) panic("init cannot be started");
    if (!record_of(config, "root").empty()) lx::keep_crash_reports(zone);
    loop.run();
}

}  // namespace

}  // namespace pith

int main() {
    pith::run_server();
    return 0;
}
