// SPDX-License-Identifier: MIT
#include "servers/fs/virtio_9p/device.hpp"

#include <algorithm>
#include <bit>

namespace pith::virtio_9p {

namespace {

constexpr u64 kMessagesKey = 1;
constexpr u64 kLinkKey = 2;
constexpr u64
    kFeatureTag = 1;  // virtio 1.2 doesn't describe the device; QEMU's and Linux's headers do (virtio_9p.h)

}  // namespace

Result<> Device::find() {
    if (found_) return {};
    device_ = PITH_TRY(PciDevice::find(devices_, 0));
    found_ = true;
    loop_.on_signal(config_bit_, [this](u64) { look(); });
    return {};
}

Result<> Device::start() {
    waiting_ = 0;
    const Result<> started = start_device();
    works_ = started.ok();
    if (works_) return {};
    static_cast<void>(device_.close());
    return started.error() == Error::no_memory ? Error::no_memory : Error::io;
}

Result<> Device::start_device() {
    PITH_CHECK(device_.open());
    if (!attached_) {
        PITH_CHECK(virtio_.attach(device_));
        messages_ = PITH_TRY(device_.dma_memory(kMessagesKey, kMessagesSize));
        link_ = PITH_TRY(device_.dma_memory(kLinkKey, kWindowOffset + kWindowSize));
    }
    const u64 features = PITH_TRY(virtio_.begin(kFeatureTag));
    if ((features & kFeatureTag) != 0) read_tag();
    const u16 size = std::min<u16>(std::bit_floor(virtio_.queue_size(kQueue)), Virtqueue::kMaxSize);
    if (size < Channel::kSlots * kBuffers) return Error::unsupported;
    PITH_CHECK(queue_.attach(messages_.mapping.as(), size));
    PITH_CHECK(get_interrupts());
    PITH_CHECK(virtio_.start_queue(kQueue, {messages_.address, size, 0}));
    PITH_CHECK(virtio_.set_config_message(device_.interrupts() > 1 ? 1 : 0));
    virtio_.ready();
    return {};
}

/// The length in 16 bits, then the tag.
void Device::read_tag() {
    tag_size_ = 0;
    const auto byte = [this](u32 at) { return virtio_.config<u8>(at).value_or(0); };
    const u32 size = std::min<u32>(byte(0) | u32{byte(1)} << 8, sizeof(tag_));
    for (u32 at = 0; at < size; at++) tag_[at] = static_cast<char>(byte(2 + at));
    tag_size_ = size;
}

Result<> Device::get_interrupts() {
    if (device_.interrupts() == 0) return Error::unsupported;
    Handle<Interrupt> line = PITH_TRY(device_.interrupt(0));
    Handle<Interrupt> config;
    if (device_.interrupts() > 1) config = PITH_TRY(device_.interrupt(1));
    if (attached_) return {};
    if (config.valid()) {
        PITH_CHECK(config.bind(loop_.signal(), config_bit_));
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

std::span<u8> Device::request(u32 slot) {
    return {messages_.mapping.as<u8>(slot_offset(slot)), kRequestSize};
}

std::span<const u8> Device::reply(u32 slot) {
    return {messages_.mapping.as<u8>(slot_offset(slot) + kRequestSize), kReplySize};
}

bool Device::send(u32 slot, u32 size, Data out, Data in) {
    if (!works_) return false;
    const u64 at = messages_.address + slot_offset(slot);
    const u64 window = link_.address + kWindowOffset;
    VirtioBuffer buffers[kBuffers];
    usize count = 0;
    buffers[count++] = {at, size, false};
    if (out.length != 0) buffers[count++] = {window + out.offset, out.length, false};
    buffers[count++] = {at + kRequestSize, in.length != 0 ? kReadHeader : static_cast<u32>(kReplySize), true};
    if (in.length != 0) buffers[count++] = {window + in.offset, in.length, true};
    auto added = queue_.add({buffers, count});
    if (!added.ok()) return false;
    slot_of_[*added] = static_cast<u8>(slot);
    waiting_ |= 1u << slot;
    return true;
}

void Device::publish() {
    if (works_ && queue_.publish()) virtio_.notify(kQueue);
}

void Device::collect() {
    Virtqueue::Used used;
    while (works_ && queue_.take(used)) {
        const u32 slot = slot_of_[used.request];
        waiting_ &= ~(1u << slot);
        answered_(slot, used.written);
    }
    if (works_ && queue_.broken()) stop();
    changed_();
}

void Device::look() {
    if (config_line_.valid()) static_cast<void>(config_line_.acknowledge());
    if (!works_ || !virtio_.failed()) return;
    stop();
    changed_();
}

/// What it has is answered with nothing.
void Device::stop() {
    works_ = false;
    static_cast<void>(device_.close());
    for (u32 left = std::exchange(waiting_, 0); left != 0; left &= left - 1)
        answered_(static_cast<u32>(std::countr_zero(left)), 0);
}

}  // namespace pith::virtio_9p
