// SPDX-License-Identifier: MIT
#include "drivers/block/virtio_blk/disk.hpp"

#include <algorithm>
#include <bit>

namespace pith::virtio_blk {

namespace {

constexpr u64 kRingsKey = 1;
constexpr u64 kLinkKey = 2;  // of the first client; the others' follow
constexpr u16 kQueue = 0;

}  // namespace

Result<DiskFacts> Disk::start() {
    PITH_CHECK(device_.open());
    if (!attached_) {
        PITH_CHECK(virtio_.attach(device_));
        rings_ = PITH_TRY(device_.dma_memory(kRingsKey, kRingsSize));
    }
    const u64 features = PITH_TRY(virtio_.begin(kFeatureSizeMax | kFeatureReadOnly | kFeatureFlush));
    DiskFacts facts{};
    facts.flushes = (features & kFeatureFlush) != 0;
    facts.flags = (features & kFeatureReadOnly) != 0 ? Block::kReadOnly : 0;
    facts.sectors = PITH_TRY(virtio_.config<u64>(kConfigCapacity));
    facts.max_sectors = kMaxSectors;
    if ((features & kFeatureSizeMax) != 0)
        facts.max_sectors = std::min<u32>(
            kMaxSectors,
            static_cast<u32>(PITH_TRY(virtio_.config<u32>(kConfigSizeMax)) / Block::kSectorSize));
    const u16 size = std::min<u16>(std::bit_floor(virtio_.queue_size(kQueue)), Virtqueue::kMaxSize);
    if (size < 4 || facts.max_sectors == 0) return Error::unsupported;
    PITH_CHECK(queue_.attach(rings_.mapping.as(), size));
    PITH_CHECK(get_interrupts());
    PITH_CHECK(virtio_.start_queue(kQueue, {rings_.address, size, 0}));
    PITH_CHECK(virtio_.set_config_message(device_.interrupts() > 1 ? 1 : 0));
    virtio_.ready();
    return facts;
}

Result<DmaMemory> Disk::link(u32 number, u64 size) { return device_.dma_memory(kLinkKey + number, size); }

/// Asking for an interrupt is what has the device raise it, at each start. It is bound once.
Result<> Disk::get_interrupts() {
    if (device_.interrupts() == 0) return Error::unsupported;
    Handle<Interrupt> line = PITH_TRY(device_.interrupt(0));
    Handle<Interrupt> config;
    if (device_.interrupts() > 1) config = PITH_TRY(device_.interrupt(1));
    if (attached_) return {};
    if (config.valid()) {
        PITH_CHECK(config.bind(loop_.signal(), changed_bit_));
        PITH_CHECK(config.acknowledge());
        config_line_ = std::move(config);
    }
    PITH_CHECK(line_.attach(loop_, std::move(line), [this] {
        collect();
        if (!config_line_.valid()) look();
    }));
    attached_ = true;
    return {};
}

bool Disk::submit(u32 slot, const DiskRequest& request) {
    using enum Block::Operation;
    auto* header = rings_.mapping.as<RequestHeader>(kHeaders) + slot;
    *header = {request.operation == read    ? kTypeRead
               : request.operation == write ? kTypeWrite
                                            : kTypeFlush,
               0, request.sector};
    *rings_.mapping.as<u8>(kStatuses + slot) = kStatusUnwritten;
    const u32 bytes = request.sectors * static_cast<u32>(Block::kSectorSize);
    const VirtioBuffer head{rings_.address + kHeaders + slot * sizeof(RequestHeader), sizeof(RequestHeader),
                            false};
    const VirtioBuffer data{request.address, bytes, request.operation == read};
    const VirtioBuffer status{rings_.address + kStatuses + slot, 1, true};
    const VirtioBuffer with_data[] = {head, data, status};
    const VirtioBuffer without[] = {head, status};
    auto added = request.operation == flush ? queue_.add(without) : queue_.add(with_data);
    if (!added.ok()) return false;
    slot_of_[*added] = static_cast<u8>(slot);
    wanted_[slot] = (request.operation == read ? bytes : 0) + 1;
    return true;
}

void Disk::publish() {
    if (queue_.publish()) virtio_.notify(kQueue);
}

/// Takes what the device is done with, then what the clients had no room for.
void Disk::collect() {
    Virtqueue::Used used;
    while (server_.works() && queue_.take(used)) {
        const u32 slot = slot_of_[used.request];
        server_.finish(slot, outcome(slot, used.written));
    }
    if (server_.works() && queue_.broken()) server_.recover();
    server_.serve();
}

Error Disk::outcome(u32 slot, u32 written) const {
    const u8 status = *rings_.mapping.as<volatile u8>(kStatuses + slot);
    return status == kStatusOk && written >= wanted_[slot] ? Error::ok : Error::io;
}

void Disk::look() {
    if (config_line_.valid()) static_cast<void>(config_line_.acknowledge());
    server_.look();
}

}  // namespace pith::virtio_blk
