// SPDX-License-Identifier: MIT
// The client's side: Open, serving, the watch over the device. The device's: device.cpp.
#include "drivers/net/virtio_net/interface.hpp"

#include <algorithm>

#include "lib/os/start_info.hpp"

namespace pith::virtio_net {

/// A client has the interface until it dies, a dead driver's client until it asks again: the link is its memory too.
void Interface::open(const Ethernet::Open& request, Request<Ethernet::Open> call) {
    auto signal = call.handles().take<Signal>(0);
    if (!signal.ok()) return call.fail(signal.error());
    const u64 badge = call.badge().bits();
    const bool died = client_.valid() && !client_.info().ok();
    if (kept_.client != 0 && kept_.client != badge && !died) return call.fail(Error::occupied);
    frames_.detach();
    stop();
    const auto reply = take_up();
    if (!reply.ok()) {
        stop();
        return call.fail(reply.error() == Error::no_memory || reply.error() == Error::no_space
                             ? Error::no_memory
                             : Error::io);
    }
    kept_.client = badge;
    client_ = std::move(*signal);
    client_bits_ = request.bits;
    call.reply(reply.value(),
               HandleList()
                   .add(link_.memory, rights(abi::MemoryRight::read, abi::MemoryRight::write) | kCopyRight)
                   .add(loop_.signal(), rights(abi::SignalRight::notify) | kCopyRight));
    trace_.add({Record::opened, setup_.index, frames_.pairs()});
}

/// Starts the device, with empty rings. What was under way when its driver or its client died is looked for in between: the device does
/// nothing any more then, and nothing has been overwritten yet.
Result<Ethernet::Open::Reply> Interface::take_up() {
    PITH_CHECK(device_.open());
    works_ = true;  // it is to be closed
    if (!link_.mapping.valid()) link_ = PITH_TRY(device_.dma_memory(kLinkKey, Frames::kLinkSize));
    const Link link{link_.mapping.as<u8>(), link_.address};
    const u32 pairs = std::min(kept_.handover.pairs, Frames::kMaxPairs);
    PITH_CHECK(get_rings(pairs));
    std::span<u8> rings[Frames::kMaxPairs];
    for (u32 i = 0; i < pairs; i++) rings[i] = {rings_[i].mapping.as<u8>(), 2 * FrameQueue::kBytes};
    const u32 sent = frames_.collect(link, {rings, pairs});
    PITH_CHECK(bring_up());
    frames_.attach(link);
    Ethernet::Open::Reply reply{};
    reply.sent = sent;
    reply.instance = start_info().generation + 1;
    reply.bits = setup_.submitted_bit;
    reply.receive_offset = Frames::kReceiveOffset;
    reply.state_offset = Frames::kStateOffset;
    reply.window_offset = Frames::kWindowOffset;
    reply.window_size = Frames::kWindowSize;
    reply.mtu = mtu_;
    reply.features = ethernet_features();
    __builtin_memcpy(reply.address, address_, sizeof(reply.address));
    return reply;
}

void Interface::serve() {
    const u64 received = kept_.counts.received_frames;
    if (!frames_.serve()) static_cast<void>(loop_.signal().notify(setup_.submitted_bit));
    kick();
    if (works_ && frames_.broken()) return restart();
    if (frames_.take_news()) static_cast<void>(client_.notify(client_bits_));
    if (works_ && !watch_.armed() && frames_.sending() != 0) {
        sent_ = frames_.sent();
        overdue_ = HostDeadline(setup_.patience);
        watch_.arm(now() + kLookInterval);
    }
    if (received != kept_.counts.received_frames) gather();
    if (traced_ && received != kept_.counts.received_frames)
        trace_.add({Record::served, setup_.index, kept_.counts.received_frames - received});
}

/// Frames seldom come alone, and each interrupt stops whoever runs for several switches of address spaces. So after some have come, further ones wait
/// until the CPU has nothing else to do, or kGatherTime.
void Interface::gather() {
    if (!works_ || !setup_.lull.started()) return;
    frames_.set_gathering(true);
    setup_.lull.ask();
    if (!gather_.armed()) gather_.arm(now() + kGatherTime);
}

void Interface::gathered() {
    if (!frames_.gathering()) return;
    gather_.cancel();
    frames_.set_gathering(false);
    serve();
}

void Interface::stop() {
    watch_.cancel();
    gather_.cancel();
    frames_.set_gathering(false);
    if (works_) static_cast<void>(device_.close());
    works_ = false;
    frames_.end();
    frames_.set_link_up(false);
}

/// The device begins anew, with the same client. One that breaks again at once, or does not start, is left alone for a while.
void Interface::restart() {
    trace_.add({Record::reset, setup_.index, frames_.sending()});
    const abi::Time time = now();
    const bool again = restarted_at_ != 0 && time - restarted_at_ < kLookInterval && works_;
    restarted_at_ = time;
    stop();
    if (again || !start().ok()) {
        stop();
        watch_.arm(time + kLookInterval);
    }
    serve();
}

/// Each kLookInterval while something is being sent: no interrupt tells of what was. A device that sends nothing for all its patience is reset.
void Interface::watch() {
    if (!works_) return restart();
    watch_.arm(now() + kLookInterval);  // before serve(), which begins to count anew where nothing is watched
    serve();
    if (!works_) return;
    if (frames_.sending() == 0) return watch_.cancel();
    if (frames_.sent() != sent_) {
        sent_ = frames_.sent();
        overdue_ = HostDeadline(setup_.patience);
    }
    if (virtio_.failed() || overdue_.passed()) restart();
}

/// The configuration interrupt came.
void Interface::look() {
    if (config_line_.valid()) static_cast<void>(config_line_.acknowledge());
    if (!works_) return;
    if (virtio_.failed()) return restart();
    read_link();
    if (frames_.take_news()) static_cast<void>(client_.notify(client_bits_));
}

}  // namespace pith::virtio_net
