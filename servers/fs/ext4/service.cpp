// SPDX-License-Identifier: MIT
#include "servers/fs/ext4/service.hpp"

namespace pith::ext4fs {

namespace {

constexpr u64 kBlock = 4096;

/// Of the run Pool (manifest.toml) all mounts together may use half for blocks of metadata, and three eighths for what grows with the
/// disk, its bitmaps above all.
Limits all_mounts() {
    auto info = own_pool().pool_info();
    const u64 bytes = info.ok() ? info->limit * abi::kPageSize : 0;
    return {bytes / 2 / kBlock, bytes / 8 * 3};
}

}  // namespace

Service::Service(EventLoop& loop, Client<Block> driver, Client<Log> log, Handle<Pool> keep,
                 Handle<CapTable> kept, Preserved& preserved)
    : loop_(loop),
      bit_(loop.allocate_signal_bit()),
      disks_(loop, std::move(driver)),
      log_(std::move(log)),
      keep_(std::move(keep)),
      kept_(std::move(kept)),
      preserved_(preserved),
      left_(all_mounts()) {
    loop.on_signal(bit_, [this](u64) {
        for (Slot& slot : slots_)
            if (slot.mount) slot.mount->look();
    });
    loop.on_signal(kSignalReborn, [this](u64) { disks_.reborn(); });
}

/// The first mount gets half of what there is, the next one half of the rest, and so on: mostly there is but one.
Limits Service::share_limits() {
    const Limits share{left_.cache_blocks / 2, left_.map_bytes / 2};
    left_.cache_blocks -= share.cache_blocks;
    left_.map_bytes -= share.map_bytes;
    return share;
}

Result<Handle<Memory>> Service::link(abi::HandleIndex slot) {
    if (auto kept = kept_.take<Memory>(slot); kept.ok()) {
        auto info = kept->memory_info();
        if (info.ok() && info->size == Mount::kLinkSize) return std::move(*kept);
        static_cast<void>(kept_.remove(slot));
    }
    Owned<Memory> made = PITH_TRY(keep_.create_memory(Mount::kLinkSize));
    PITH_CHECK(made.copy_to(kept_, slot));
    return made.keep();
}

Result<> Service::prepare(u64 number) {
    Slot& slot = slots_[number];
    if (slot.mount) return {};
    Handle<Memory> link = PITH_TRY(this->link(static_cast<abi::HandleIndex>(number + 1)));
    Mapping mapping = PITH_TRY(Mapping::create(link, 0, Mount::kLinkSize));
    std::unique_ptr<Mount> mount(new (std::nothrow) Mount(disks_, log_, mapping.bytes(),
                                                          CommitRecords(preserved_.records[number]),
                                                          share_limits(), preserved_.started_over));
    if (!mount) return Error::no_memory;
    slot.link = std::move(link);
    slot.mapping = std::move(mapping);
    slot.mount = std::move(mount);
    return {};
}

void Service::handle(const Fs::Open& request, Request<Fs::Open> call) {
    auto signal = call.handles().take<Signal>(0);
    if (!signal.ok()) return call.fail(signal.error());
    if (request.mount >= Fs::kMaxMounts) return call.fail(Error::not_found);
    for (Slot& slot : slots_)
        if (slot.mount) slot.mount->clear_dead();
    if (auto prepared = prepare(request.mount); !prepared.ok()) return call.fail(prepared.error());
    Slot& slot = slots_[request.mount];
    const u32 client = call.badge().client();
    if (slot.mount->taken(client)) return call.fail(Error::occupied);
    const auto opened = slot.mount->open(request.session, client, std::move(*signal), request.bits);
    if (!opened.ok()) return call.fail(opened.error());
    call.reply({start_info().generation + 1, bit_, Mount::kWindowOffset, Mount::kWindowSize},
               HandleList()
                   .add(slot.link, rights(abi::MemoryRight::read, abi::MemoryRight::write) | kCopyRight)
                   .add(loop_.signal(), rights(abi::SignalRight::notify) | kCopyRight));
}

}  // namespace pith::ext4fs
