// SPDX-License-Identifier: MIT
#include "drivers/block/virtio_blk/disk.hpp"

#include <algorithm>
#include <bit>

namespace pith::virtio_blk {

namespace {

constexpr u64 kRingsKey = 1;
constexpr u64 kLinkKey = 2;
constexpr u16 kQueue = 0;
constexpr u32 kBuffers = 3;  // descriptors of a request, at most

}  // namespace

Result<Block::Open::Reply> Disk::open(Handle<Signal> client, u64 bits) {
    if (!works_ || busy_ != 0) PITH_CHECK(start());
    *link_.mapping.as<QueueHeader>() = QueueHeader{kQueueMagic, Block::kEntries, 0, 0, 0, 0};
    PITH_CHECK(client_.attach(link_.mapping.as(), kWindowOffset, Block::kEntries, std::move(client), bits));
    client_.resume();
    completed_ = false;
    trace_.add({Record::opened, 0, sectors_});
    Block::Open::Reply reply{};
    reply.instance = start_info().generation + 1;
    reply.sectors = sectors_;
    reply.bits = setup_.submitted_bit;
    reply.window_offset = kWindowOffset;
    reply.window_size = window_size_;
    reply.max_sectors = max_sectors_;
    reply.flags = read_only_ ? Block::kReadOnly : 0;
    return reply;
}

/// From whatever state the device is in.
Result<> Disk::start() {
    busy_ = 0;
    recoveries_ = 0;
    const Result<> started = start_device();
    works_ = started.ok();
    if (works_) return {};
    static_cast<void>(device_.close());
    return started.error() == Error::no_memory ? Error::no_memory : Error::io;
}

Result<> Disk::start_device() {
    PITH_CHECK(device_.open());
    if (!attached_) {
        PITH_CHECK(virtio_.attach(device_));
        PITH_CHECK(get_memory());
    }
    const u64 features = PITH_TRY(virtio_.begin(kFeatureSizeMax | kFeatureReadOnly | kFeatureFlush));
    flushes_ = (features & kFeatureFlush) != 0;
    read_only_ = (features & kFeatureReadOnly) != 0;
    sectors_ = PITH_TRY(virtio_.config<u64>(kConfigCapacity));
    max_sectors_ = std::min(kMaxSectors, static_cast<u32>(window_size_ / Block::kSectorSize));
    if ((features & kFeatureSizeMax) != 0)
        max_sectors_ = std::min<u32>(
            max_sectors_,
            static_cast<u32>(PITH_TRY(virtio_.config<u32>(kConfigSizeMax)) / Block::kSectorSize));
    const u16 size = std::min<u16>(std::bit_floor(virtio_.queue_size(kQueue)), Virtqueue::kMaxSize);
    if (size < 4 || max_sectors_ == 0) return Error::unsupported;
    PITH_CHECK(queue_.attach(rings_.mapping.as(), size));
    PITH_CHECK(get_interrupts());
    PITH_CHECK(virtio_.start_queue(kQueue, {rings_.address, size, 0}));
    PITH_CHECK(virtio_.set_config_message(device_.interrupts() > 1 ? 1 : 0));
    virtio_.ready();
    return {};
}

Result<> Disk::get_memory() {
    rings_ = PITH_TRY(device_.dma_memory(kRingsKey, kRingsSize));
    link_ = PITH_TRY(device_.dma_memory(kLinkKey, kWindowOffset + window_size_));
    return {};
}

/// Asking for an interrupt is what has the device raise it, at each start. It is bound once.
Result<> Disk::get_interrupts() {
    if (device_.interrupts() == 0) return Error::unsupported;
    Handle<Interrupt> line = PITH_TRY(device_.interrupt(0));
    Handle<Interrupt> config;
    if (device_.interrupts() > 1) config = PITH_TRY(device_.interrupt(1));
    if (attached_) return {};
    if (config.valid()) {
        PITH_CHECK(config.bind(loop_.signal(), setup_.config_bit));
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

Result<> Disk::check(const Block::Submission& r) const {
    switch (static_cast<Block::Operation>(r.operation)) {
        case Block::Operation::flush:
            return r.sector == 0 && r.sectors == 0 && r.offset == 0 ? Result<>() : Result<>(Error::invalid);
        case Block::Operation::write:
            if (read_only_) return Error::access;
            break;
        case Block::Operation::read: break;
        default: return Error::invalid;
    }
    if (r.sectors == 0 || r.sectors > max_sectors_ || r.sector > sectors_ || r.sectors > sectors_ - r.sector)
        return Error::invalid;
    const u64 bytes = r.sectors * Block::kSectorSize;
    if (r.offset % Block::kSectorSize != 0 || r.offset > window_size_ || bytes > window_size_ - r.offset)
        return Error::invalid;
    return {};
}

/// For one more request.
bool Disk::room() const { return !works_ || (queue_.free_descriptors() >= kBuffers && ~busy_ != 0); }

void Disk::serve() {
    if (!client_.attached()) return;
    // A client that submits without end isn't to keep the other disks waiting.
    Block::Submission request;
    u32 turns = Block::kEntries;
    for (; turns != 0 && room() && client_.take(request); turns--) take_up(request);
    if (turns == 0) static_cast<void>(loop_.signal().notify(setup_.submitted_bit));
    publish();
}

void Disk::take_up(const Block::Submission& request) {
    auto checked = check(request);
    if (checked.ok() && !works_) checked = Error::io;
    const bool nothing = request.operation == static_cast<u32>(Block::Operation::flush) && !flushes_;
    if (!checked.ok() || nothing) return complete(request.id, checked.error());
    const u32 number = static_cast<u32>(std::countr_one(busy_));
    slots_[number] = request;
    if (submit(number)) return;
    complete(request.id, Error::io);
}

/// Enters the request of a slot into the virtqueue. False: there is no room, which there has to be.
bool Disk::submit(u32 number) {
    const Block::Submission& r = slots_[number];
    const auto operation = static_cast<Block::Operation>(r.operation);
    auto* header = rings_.mapping.as<RequestHeader>(kHeaders) + number;
    *header = {operation == Block::Operation::read    ? kTypeRead
               : operation == Block::Operation::write ? kTypeWrite
                                                      : kTypeFlush,
               0, r.sector};
    *rings_.mapping.as<u8>(kStatuses + number) = kStatusUnwritten;
    const VirtioBuffer head{rings_.address + kHeaders + number * sizeof(RequestHeader), sizeof(RequestHeader),
                            false};
    const VirtioBuffer data{link_.address + kWindowOffset + r.offset,
                            static_cast<u32>(r.sectors * Block::kSectorSize),
                            operation == Block::Operation::read};
    const VirtioBuffer status{rings_.address + kStatuses + number, 1, true};
    const VirtioBuffer with_data[] = {head, data, status};
    const VirtioBuffer without[] = {head, status};
    auto added = operation == Block::Operation::flush ? queue_.add(without) : queue_.add(with_data);
    if (!added.ok()) return false;
    slot_of_[*added] = static_cast<u8>(number);
    busy_ |= u64{1} << number;
    trace_.add({Record::started, number, r.sector});
    return true;
}

/// Tells the device what is new, and the client.
void Disk::publish() {
    if (works_ && queue_.publish()) {
        virtio_.notify(kQueue);
        if (!watch_.armed()) {
            watched_ = finished_;
            watch_.arm(now() + setup_.patience);
        }
    }
    if (std::exchange(completed_, false)) client_.notify();
}

/// Takes what the device is done with, then what the client had no room for.
void Disk::collect() {
    Virtqueue::Used used;
    while (works_ && queue_.take(used)) {
        const u32 slot = slot_of_[used.request];
        finished_++;
        finish(slot, used.written);
    }
    if (works_ && queue_.broken()) recover();
    serve();
}

void Disk::finish(u32 number, u32 written) {
    const Block::Submission& r = slots_[number];
    const bool read = r.operation == static_cast<u32>(Block::Operation::read);
    const u64 wanted = (read ? r.sectors * Block::kSectorSize : 0) + 1;
    const u8 status = *rings_.mapping.as<volatile u8>(kStatuses + number);
    const bool good = status == kStatusOk && written >= wanted;
    busy_ &= ~(u64{1} << number);
    if (good) recoveries_ = 0;
    trace_.add({Record::completed, number, r.sector});
    complete(r.id, good ? Error::ok : Error::io);
}

void Disk::complete(u64 id, Error error) {
    // A client that broke its Queue gets no answers; it may open again.
    static_cast<void>(client_.complete({id, static_cast<u32>(error), 0}));
    completed_ = true;
}

void Disk::look() {
    if (config_line_.valid()) static_cast<void>(config_line_.acknowledge());
    if (works_ && virtio_.failed()) {
        recover();
        serve();
    }
}

/// A device that has had requests all the time, and been done with none, won't be.
void Disk::check_progress() {
    if (!works_ || busy_ == 0) return;
    if (std::exchange(watched_, finished_) == finished_) recover();
    watch_.arm(now() + setup_.patience);
    serve();
}

/// The device has lost its way: it begins anew, with the same requests.
void Disk::recover() {
    trace_.add({Record::recovered, recoveries_, under_way()});
    if (++recoveries_ > kMaxRecoveries || !start_device().ok()) return give_up();
    for (u64 left = busy_; left != 0; left &= left - 1)
        if (!submit(static_cast<u32>(std::countr_zero(left)))) return give_up();
}

/// It stays stopped; all that is asked of it fails, until a client opens it again.
void Disk::give_up() {
    works_ = false;
    static_cast<void>(device_.close());
    for (u64 left = std::exchange(busy_, 0); left != 0; left &= left - 1)
        complete(slots_[std::countr_zero(left)].id, Error::io);
}

}  // namespace pith::virtio_blk
