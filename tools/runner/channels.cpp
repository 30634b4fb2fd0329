// SPDX-License-Identifier: MIT
#include "tools/runner/channels.hpp"

#include <algorithm>
#include <cstring>

namespace pith::tools {

void Channels::send(mux::Channel channel, std::string_view bytes) { at(channel).outgoing += bytes; }

void Channels::send_control(mux::ControlKind kind, const void* payload, usize size) {
    const mux::ControlHeader header{kind, static_cast<u16>(size)};
    send(mux::Channel::control, {reinterpret_cast<const char*>(&header), sizeof(header)});
    send(mux::Channel::control, {static_cast<const char*>(payload), size});
}

usize Channels::space(mux::Channel channel) {
    const usize used = at(channel).outgoing.size();
    return used < kCapacity ? kCapacity - used : 0;
}

void Channels::discard(mux::Channel channel) {
    at(channel).discarding = true;
    at(channel).arrived.clear();
}

usize Channels::deliver(mux::Channel channel, std::span<const u8> bytes) {
    const usize count = std::min(bytes.size(), room(channel));
    Stream& stream = at(channel);
    if (stream.discarding) return count;
    stream.arrived.append(reinterpret_cast<const char*>(bytes.data()), count);
    if (channel == mux::Channel::control) take_records();
    return count;
}

void Channels::take_records() {
    std::string& bytes = at(mux::Channel::control).arrived;
    mux::ControlHeader header;
    while (bytes.size() >= sizeof(header)) {
        std::memcpy(&header, bytes.data(), sizeof(header));
        const usize size = sizeof(header) + header.length;
        if (bytes.size() < size) return;
        handler_(header.kind, std::string_view(bytes).substr(sizeof(header), header.length));
        bytes.erase(0, size);
    }
}

usize Channels::room(mux::Channel channel) {
    const usize used = at(channel).arrived.size();
    return used < kCapacity ? kCapacity - used : 0;
}

u64 Channels::written(mux::Channel channel) { return at(channel).base + at(channel).outgoing.size(); }

void Channels::copy(mux::Channel channel, u64 offset, std::span<u8> out) {
    const Stream& stream = at(channel);
    std::memcpy(out.data(), stream.outgoing.data() + (offset - stream.base), out.size());
}

void Channels::release(mux::Channel channel, u64 offset) {
    Stream& stream = at(channel);
    if (offset <= stream.base) return;
    const u64 count = std::min<u64>(offset - stream.base, stream.outgoing.size());
    stream.outgoing.erase(0, count);
    stream.base += count;
}

void Channels::restart() {
    for (Stream& stream : streams_) stream.base = 0;
}

}  // namespace pith::tools
