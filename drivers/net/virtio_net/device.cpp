// SPDX-License-Identifier: MIT
// Interface: starting the device, and what it says of itself.
#include <algorithm>
#include <bit>

#include "drivers/net/virtio_net/interface.hpp"
#include "lib/os/clock.hpp"
#include "lib/os/heartbeat.hpp"

namespace pith::virtio_net {

namespace {

constexpr u16 kMessage = 0, kConfigMessage = 1;
constexpr u16 kMaxControl = 16;  // descriptors

}  // namespace

/// From whatever state.
Result<> Interface::start() {
    PITH_CHECK(device_.open());
    works_ = true;  // it is to be closed
    return bring_up();
}

/// After a reset.
Result<> Interface::bring_up() {
    if (!attached_) PITH_CHECK(virtio_.attach(device_));
    const u32 pairs = PITH_TRY(agree());
    PITH_CHECK(read_address());
    PITH_CHECK(get_interrupts());
    PITH_CHECK(start_queues(pairs));
    PITH_CHECK(virtio_.set_config_message(device_.interrupts() > 1 ? kConfigMessage : kMessage));
    virtio_.ready();
    if (pairs > 1) PITH_CHECK(set_pairs(pairs));
    frames_.begin(pairs, mtu_, ethernet_features());
    read_link();
    return {};
}

/// Agrees on features; how many pairs of queues there are to be.
Result<u32> Interface::agree() {
    u64 wanted = kFeatureChecksum | kFeatureGuestChecksum | kFeatureMtu | kFeatureMac | kFeatureStatus |
                 kFeatureControlQueue | kFeatureMultiqueue | kFeatureIndirect;
    for (;;) {
        const u64 before = wanted;
        const u32 pairs = PITH_TRY(try_features(wanted));
        if (wanted == before) return pairs;
    }
}

/// Takes away from `wanted` what shows to be of no use.
Result<u32> Interface::try_features(u64& wanted) {
    features_ = PITH_TRY(virtio_.begin(wanted));
    const auto has = [this](u64 feature) { return (features_ & feature) == feature; };
    mtu_ = kUsualMtu;
    if (has(kFeatureMtu)) {
        mtu_ = PITH_TRY(virtio_.config<u16>(kConfigMtu));
        if (mtu_ < kLeastMtu || mtu_ > kMostMtu) wanted &= ~kFeatureMtu;
    }
    u32 pairs = 1;
    constexpr u64 kBoth = kFeatureControlQueue | kFeatureMultiqueue;
    if (has(kBoth)) {
        const u32 offered = PITH_TRY(virtio_.config<u16>(kConfigPairs));
        control_index_ = static_cast<u16>(2 * offered);
        pairs = std::min(offered, Frames::kMaxPairs);
        if (offered < 2 || 2 * offered >= VirtioDevice::kMaxQueues) wanted &= ~kBoth;
    } else {
        wanted &= ~kBoth;
    }
    return pairs;
}

u32 Interface::ethernet_features() const {
    return ((features_ & kFeatureChecksum) != 0 ? Ethernet::kSendChecksum : 0) |
           ((features_ & kFeatureGuestChecksum) != 0 ? Ethernet::kReceiveChecksum : 0);
}

Result<> Interface::read_address() {
    if ((features_ & kFeatureMac) == 0) {
        // An address of our own making, of those that nobody else is given: the same each time.
        const u64 place = device_.identity().device;
        const u8 made[6] = {0x02, 'p', 'i', 't', static_cast<u8>(place >> 8), static_cast<u8>(place)};
        std::copy_n(made, 6, address_);
        return {};
    }
    const u32 first = PITH_TRY(virtio_.config<u32>(kConfigMac));
    const u16 last = PITH_TRY(virtio_.config<u16>(kConfigMac + 4));
    for (u32 i = 0; i < 6; i++)
        address_[i] = static_cast<u8>(i < 4 ? first >> 8 * i : u32{last} >> 8 * (i - 4));
    return {};
}

/// A device that doesn't tell is always connected.
void Interface::read_link() {
    bool up = true;
    if ((features_ & kFeatureStatus) != 0) {
        const auto status = virtio_.config<u16>(kConfigStatus);
        up = status.ok() && (status.value() & kStatusLinkUp) != 0;
    }
    frames_.set_link_up(up);
    trace_.add({Record::link, setup_.index, up ? 1u : 0u});
}

/// Asking for an interrupt is what has the device raise it, at each start. It is bound once. All queues share one: there is one thread.
Result<> Interface::get_interrupts() {
    if (device_.interrupts() == 0) return Error::unsupported;
    Handle<Interrupt> line = PITH_TRY(device_.interrupt(kMessage));
    Handle<Interrupt> config;
    if (device_.interrupts() > 1) config = PITH_TRY(device_.interrupt(kConfigMessage));
    if (attached_) return {};
    if (config.valid()) {
        PITH_CHECK(config.bind(loop_.signal(), setup_.changed_bit));
        PITH_CHECK(config.acknowledge());
        config_line_ = std::move(config);
    }
    PITH_CHECK(line_.attach(loop_, std::move(line), [this] {
        serve();
        if (!config_line_.valid()) look();
    }));
    attached_ = true;
    return {};
}

Result<> Interface::get_rings(u32 pairs) {
    for (u32 i = 0; i < pairs; i++)
        if (!rings_[i].mapping.valid())
            rings_[i] = PITH_TRY(device_.dma_memory(kRingsKey + i, 2 * FrameQueue::kBytes));
    return {};
}

Result<> Interface::start_queues(u32 pairs) {
    PITH_CHECK(get_rings(pairs));
    const bool indirect = (features_ & kFeatureIndirect) != 0;
    for (u32 i = 0; i < pairs; i++) {
        const auto start_one = [&](FrameQueue& queue, u32 number, FrameQueue::Direction direction,
                                   u64 offset) -> Result<> {
            const u16 index = static_cast<u16>(number);
            const u16 size = std::min<u16>(std::bit_floor(virtio_.queue_size(index)), FrameQueue::kMaxSize);
            if (size < 2) return Error::unsupported;
            const u64 address = rings_[i].address + offset;
            PITH_CHECK(queue.attach(rings_[i].mapping.as<u8>(offset), address, size, direction, indirect));
            return virtio_.start_queue(index, {address, size, kMessage});
        };
        QueuePair& pair = frames_.pair(i);
        PITH_CHECK(start_one(pair.receive, 2 * i, FrameQueue::Direction::receive, 0));
        PITH_CHECK(start_one(pair.send, 2 * i + 1, FrameQueue::Direction::send, FrameQueue::kBytes));
    }
    if (pairs == 1) return {};
    if (!control_.mapping.valid()) control_ = PITH_TRY(device_.dma_memory(kControlKey, abi::kPageSize));
    const u16 size = std::min<u16>(std::bit_floor(virtio_.queue_size(control_index_)), kMaxControl);
    if (size < 2) return Error::unsupported;
    PITH_CHECK(control_queue_.attach(control_.mapping.as(), size));
    return virtio_.start_queue(control_index_, {control_.address, size, VirtioDevice::kNoMessage});
}

/// Has a device that is ready use so many pairs: at first it uses one.
Result<> Interface::set_pairs(u32 pairs) {
    constexpr u64 kRequest = abi::kPageSize / 2, kAnswer = kRequest + 8;
    static_assert(Virtqueue::bytes(kMaxControl) <= kRequest);
    struct Request {
        ControlHeader header;
        u16 pairs;
    };
    *control_.mapping.as<Request>(kRequest) = {{kGroupMultiqueue, kSetPairs}, static_cast<u16>(pairs)};
    auto* answer = control_.mapping.as<volatile u8>(kAnswer);
    *answer = 0xff;
    const VirtioBuffer buffers[] = {{control_.address + kRequest, sizeof(Request), false},
                                    {control_.address + kAnswer, 1, true}};
    PITH_TRY(control_queue_.add(buffers));
    if (control_queue_.publish()) virtio_.notify(control_index_);
    Virtqueue::Used used;
    for (const abi::Time deadline = now() + kControlPatience; !control_queue_.take(used); yield_cpu())
        if (control_queue_.broken() || now() > deadline) return Error::timed_out;
    return *answer == kControlOk ? Result<>() : Result<>(Error::unsupported);
}

void Interface::kick() {
    for (u32 i = 0; i < frames_.pairs(); i++) {
        QueuePair& pair = frames_.pair(i);
        if (std::exchange(pair.kick_receive, false)) tell_device(static_cast<u16>(2 * i));
        if (std::exchange(pair.kick_send, false)) tell_device(static_cast<u16>(2 * i + 1));
    }
}

/// A virtual device that is flooded may keep the CPU at this for a tenth of a second (QEMU's lock): some of them in a row are no hang.
void Interface::tell_device(u16 queue) {
    virtio_.notify(queue);
    answer_heartbeat();
}

}  // namespace pith::virtio_net
