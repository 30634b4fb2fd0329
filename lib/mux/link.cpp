// SPDX-License-Identifier: MIT
// Go-back-N on each channel. Order of service: hello, acks, then data in the order of kOrder (what a person
// waits for first, bulk last, so that a flood on one stream does not hold up another).
#include "lib/mux/link.hpp"

#include <algorithm>
#include <cstring>

namespace pith::mux {
namespace {

constexpr Channel kOrder[] = {Channel::control, Channel::tty,    Channel::input,
                              Channel::error,   Channel::output, Channel::log};
static_assert(std::size(kOrder) == kChannels);

constexpr Channel channel_of(usize c) { return static_cast<Channel>(c); }

}  // namespace

Link::Link(Side side, LinkUser& user, const LinkState& state)
    : side_(side), user_(user), state_(state), hello_due_(side == Side::guest) {
    for (usize c = 0; c < kChannels; ++c) {
        flows_[c].sent = state_.acknowledged[c];
        flows_[c].limit = state_.acknowledged[c];
        flows_[c].highest = total(c);  // a former life may have sent all of it
    }
}

u64 Link::first_unsent(Channel channel) {
    const Flow& flow = flows_[static_cast<usize>(channel)];
    return std::max({flow.highest, flow.sent, state_.acknowledged[static_cast<usize>(channel)]});
}

u64 Link::total(usize c) {
    Channel channel = channel_of(c);
    return user_.written(channel) + (user_.ended(channel) ? 1 : 0);
}

u64 Link::window_end(usize c) { return state_.received[c] + user_.room(channel_of(c)); }

bool Link::idle(Channel channel) {
    usize c = static_cast<usize>(channel);
    return state_.acknowledged[c] == total(c);
}

bool Link::idle() {
    for (usize c = 0; c < kChannels; ++c) {
        if (!idle(channel_of(c))) return false;
    }
    return true;
}

void Link::wire_lost() {
    decoder_.reset();
    if (side_ == Side::guest) {
        synced_ = false;
        hello_due_ = true;
        token_ = 0;
    }
}

void Link::feed(std::span<const u8> wire, Time now) {
    Decoder::Frame frame;
    while (decoder_.next(wire, frame)) take(frame, now);
}

void Link::take(const Decoder::Frame& frame, Time now) {
    if (frame.header.type == FrameType::hello) return take_hello(frame, now);
    if (!synced_) return;
    switch (frame.header.type) {
        case FrameType::data: return take_data(frame);
        case FrameType::end: return take_end(frame);
        case FrameType::ack:
        case FrameType::resend: return take_ack(frame, now);
        default: return;
    }
}

void Link::take_data(const Decoder::Frame& frame) {
    usize c = static_cast<usize>(frame.header.channel);
    Flow& flow = flows_[c];
    flow.ack = true;
    u64 start = frame.header.sequence;
    u64 received = state_.received[c];
    // A probe, something repeated, or a record that somebody may wait for.
    if (frame.payload.empty() || start != received || frame.header.channel == Channel::control)
        flow.ack_now = true;
    if (start > received) {
        flow.resend = !flow.gap_told;
        return;
    }
    u64 old = received - start;  // bytes that are here already
    if (old >= frame.payload.size() || state_.receive_ended[c] != 0) return;
    auto fresh = frame.payload.subspan(static_cast<usize>(old));
    usize taken = std::min(user_.deliver(frame.header.channel, fresh), fresh.size());
    state_.received[c] += taken;
    if (taken > 0) flow.gap_told = false;
    if (taken < fresh.size()) flow.resend = !flow.gap_told;  // sent beyond the window
}

void Link::take_end(const Decoder::Frame& frame) {
    usize c = static_cast<usize>(frame.header.channel);
    Flow& flow = flows_[c];
    flow.ack = true;
    flow.ack_now = true;
    if (frame.header.sequence > state_.received[c]) {
        flow.resend = !flow.gap_told;
    } else if (frame.header.sequence == state_.received[c] && state_.receive_ended[c] == 0) {
        ++state_.received[c];
        state_.receive_ended[c] = 1;
        user_.deliver_end(frame.header.channel);
    }
}

void Link::acknowledge(usize c, u64 offset, Time now) {
    if (offset <= state_.acknowledged[c] || offset > total(c)) return;
    state_.acknowledged[c] = offset;
    flows_[c].sent = std::max(flows_[c].sent, offset);
    if (progress_time_ != 0) progress_time_ = now;
    user_.release(channel_of(c), std::min(offset, user_.written(channel_of(c))));
}

void Link::go_back(usize c) {
    if (flows_[c].sent == state_.acknowledged[c]) return;
    flows_[c].sent = state_.acknowledged[c];
    ++resends_;
}

void Link::take_ack(const Decoder::Frame& frame, Time now) {
    if (frame.payload.size() != sizeof(AckPayload)) return;
    AckPayload ack;
    memcpy(&ack, frame.payload.data(), sizeof(ack));
    usize c = static_cast<usize>(frame.header.channel);
    acknowledge(c, frame.header.sequence, now);
    if (frame.header.sequence == state_.acknowledged[c]) {
        flows_[c].limit = frame.header.sequence + ack.window;
        if (frame.header.type == FrameType::resend) go_back(c);
    }
}

void Link::new_epoch(u64 epoch) {
    state_ = {};
    state_.epoch = epoch;
    for (Flow& flow : flows_) flow = {};
    progress_time_ = 0;
    user_.restart();
}

/// The peer has taken what was never sent, or asks for what it had said that it has.
bool Link::contradicts(const HelloPayload& hello) {
    for (usize c = 0; c < kChannels; ++c)
        if (hello.received[c] > total(c) || hello.received[c] < state_.acknowledged[c]) return true;
    return false;
}

void Link::take_hello(const Decoder::Frame& frame, Time now) {
    if (frame.payload.size() != sizeof(HelloPayload)) return;
    HelloPayload hello;
    memcpy(&hello, frame.payload.data(), sizeof(hello));
    bool answer = (hello.flags & kHelloAnswer) != 0;
    if (hello.version != kVersion || answer != (side_ == Side::guest)) return;
    if (answer && (hello.token != token_ || synced_)) return;  // to an earlier one, or a second answer
    if (answer && frame.header.sequence == kNoEpoch) contradicted_ = true;
    if (frame.header.sequence != state_.epoch) {
        if (side_ == Side::guest) return;  // an answer to an earlier boot
        new_epoch(frame.header.sequence);
    }
    refused_ = !answer && contradicts(hello);
    contradicted_ = answer && contradicts(hello);
    if (refused_) {
        peer_token_ = hello.token;
        answer_due_ = true;
    }
    if (refused_ || contradicted_) return;
    // The same hello again, because its answer took long: what it asks for is on its way.
    const bool fresh = hello.token != peer_token_;
    peer_token_ = hello.token;
    for (usize c = 0; c < kChannels; ++c) {
        acknowledge(c, hello.received[c], now);
        if (hello.received[c] == state_.acknowledged[c])
            flows_[c].limit = hello.received[c] + hello.window[c];
        if (fresh) go_back(c);
        flows_[c].gap_told = false;
    }
    synced_ = true;
    hello_due_ = false;
    if (!answer) answer_due_ = true;
}

void Link::timers(Time now) {
    if (!synced_) {
        if (side_ == Side::guest && now >= hello_time_) hello_due_ = true;
        return;
    }
    if (progress_time_ == 0 || now - progress_time_ < kResendTime) return;
    progress_time_ = now;
    for (usize c = 0; c < kChannels; ++c) {
        go_back(c);
        flows_[c].gap_told = false;
        if (total(c) > state_.acknowledged[c] && flows_[c].sent == flows_[c].limit) flows_[c].probe = true;
    }
}

usize Link::produce(std::span<u8> wire, Time now) {
    timers(now);
    if (hello_due_ || answer_due_) return produce_hello(wire, now);
    if (!synced_) return 0;
    bool acks_left = false;
    for (usize c = 0; c < kChannels; ++c) {
        if (ack_due(c, now)) return produce_ack(c, wire);
        acks_left = acks_left || flows_[c].ack;
    }
    if (!acks_left) ack_time_ = 0;
    else if (ack_time_ == 0) ack_time_ = now + kAckTime;
    bool waiting = false;
    for (Channel channel : kOrder) {
        usize c = static_cast<usize>(channel);
        if (usize n = produce_data(c, wire, now); n > 0) return n;
        waiting = waiting || total(c) > state_.acknowledged[c];
    }
    if (!waiting) progress_time_ = 0;
    else if (progress_time_ == 0) progress_time_ = now;
    return 0;
}

/// Whether an ack goes out now: few acks are better on a line where each costs an interrupt.
bool Link::ack_due(usize c, Time now) {
    Flow& flow = flows_[c];
    const u64 end = window_end(c);
    // Tell of room that came up, in good steps.
    if (end > flow.advertised) {
        const bool closed = flow.advertised <= state_.received[c];
        if (closed || end - flow.advertised >= kMaxPayload * 2) flow.ack = true;
        if (closed) flow.ack_now = true;
    }
    if (!flow.ack) return false;
    if (flow.ack_now || flow.resend || state_.received[c] - flow.told >= kAckEvery) return true;
    // A window that is about to close holds the sender up.
    if (flow.advertised - std::min(flow.advertised, state_.received[c]) < kAckEvery / 2) return true;
    return ack_time_ != 0 && now >= ack_time_;
}

usize Link::produce_hello(std::span<u8> wire, Time now) {
    HelloPayload hello{};
    hello.version = kVersion;
    hello.flags = answer_due_ ? kHelloAnswer : 0;
    if (answer_due_) hello.token = peer_token_;
    else hello.token = token_ != 0 ? token_ : token_ = now;
    for (usize c = 0; c < kChannels; ++c) {
        usize room = user_.room(channel_of(c));
        hello.received[c] = state_.received[c];
        hello.window[c] = static_cast<u32>(room);
        flows_[c].advertised = state_.received[c] + room;
        flows_[c].told = state_.received[c];
        flows_[c].ack = false;
        flows_[c].ack_now = false;
        flows_[c].resend = false;
    }
    hello_due_ = false;
    answer_due_ = false;
    hello_time_ = now + kHelloTime;
    u8 payload[sizeof(hello)];
    memcpy(payload, &hello, sizeof(hello));
    const u64 epoch = refused_ ? kNoEpoch : state_.epoch;
    return encode({Channel::control, FrameType::hello, 0, 0, epoch}, payload, wire);
}

usize Link::produce_ack(usize c, std::span<u8> wire) {
    Flow& flow = flows_[c];
    AckPayload ack{static_cast<u32>(user_.room(channel_of(c)))};
    FrameType type = flow.resend ? FrameType::resend : FrameType::ack;
    if (flow.resend) flow.gap_told = true;
    flow.ack = false;
    flow.ack_now = false;
    flow.resend = false;
    flow.told = state_.received[c];
    flow.advertised = state_.received[c] + ack.window;
    u8 payload[sizeof(ack)];
    memcpy(payload, &ack, sizeof(ack));
    return encode({channel_of(c), type, 0, 0, state_.received[c]}, payload, wire);
}

usize Link::produce_data(usize c, std::span<u8> wire, Time now) {
    Flow& flow = flows_[c];
    Channel channel = channel_of(c);
    u64 written = user_.written(channel);
    u64 end = std::min(written, flow.limit);
    usize count = flow.sent < end ? static_cast<usize>(std::min<u64>(end - flow.sent, kMaxPayload)) : 0;
    if (count == 0 && !flow.probe) {
        if (!user_.ended(channel) || flow.sent != written) return 0;
        ++flow.sent;  // the end needs no window
        if (progress_time_ == 0) progress_time_ = now;
        return encode({channel, FrameType::end, 0, 0, written}, {}, wire);
    }
    flow.probe = false;
    u8 payload[kMaxPayload];
    user_.copy(channel, flow.sent, {payload, count});
    u64 start = flow.sent;
    flow.sent += count;
    flow.highest = std::max(flow.highest, flow.sent);
    if (progress_time_ == 0) progress_time_ = now;
    return encode({channel, FrameType::data, 0, 0, start}, {payload, count}, wire);
}

Link::Time Link::deadline() const {
    if (!synced_) return side_ == Side::guest ? hello_time_ : 0;
    const Time resend = progress_time_ == 0 ? 0 : progress_time_ + kResendTime;
    if (ack_time_ == 0 || resend == 0) return ack_time_ != 0 ? ack_time_ : resend;
    return std::min(ack_time_, resend);
}

}  // namespace pith::mux
