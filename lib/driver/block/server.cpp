// SPDX-License-Identifier: MIT
#include "lib/driver/block/server.hpp"

#include <algorithm>

#include "lib/base/round.hpp"

namespace pith {

DiskServer::DiskServer(DiskDevice& device, DiskLinks& links, EventLoop& loop, DiskKept& kept,
                       const Setup& setup)
    : links_(links), loop_(loop), kept_(kept), setup_(setup), requests_(device, kept.counts, &now) {
    requests_.trace = [this](const DiskRecord& record) { trace_.add(record); };
}

void DiskServer::open(const Block::Open& request, Request<Block::Open> call) {
    auto signal = call.handles().take<Signal>(0);
    if (!signal.ok()) return call.fail(signal.error());
    if (auto started = requests_.start(); !started.ok()) return call.fail(started.error());
    const auto client = client_of(call.badge().bits(), request.window);
    if (!client.ok()) return call.fail(client.error());
    requests_.detach(client.value());
    auto& opening = openings_[client.value()];
    opening.reset();
    opening.emplace(std::move(call), std::move(*signal), request.bits);
    serve();
}

/// Who has that badge; no_slot: nobody, and there are as many as can be.
Result<u32> DiskServer::client_of(u64 badge, u64 wish) {
    u64* const end = kept_.badges + Block::kMaxClients;
    const u64* owner = std::find(kept_.badges, end, badge);
    if (owner == end) owner = std::find(kept_.badges, end, 0);
    if (owner == end) return Error::no_slot;
    const u32 client = static_cast<u32>(owner - kept_.badges);
    if (!memory_[client].mapping.valid()) PITH_CHECK(get_link(client, wish));
    kept_.badges[client] = badge;
    return client;
}

/// As it was, if it ever was. Else as large as wished for, or as there is memory for.
Result<> DiskServer::get_link(u32 client, u64 wish) {
    if (wish == 0) wish = client == 0 ? setup_.first_window : kLeastWindow;
    u64 window = std::max(round_up(std::min(wish, kMostWindow), abi::kPageSize), kLeastWindow);
    auto link = links_.link(client, 0);
    if (!link.ok() && link.error() == Error::not_found) {
        link = links_.link(client, kWindowOffset + window);
        while (!link.ok() && (link.error() == Error::no_space || link.error() == Error::no_memory) &&
               window > kLeastWindow) {
            window = std::max(round_down(window / 2, abi::kPageSize), kLeastWindow);
            link = links_.link(client, kWindowOffset + window);
        }
    }
    if (!link.ok()) return Error::no_memory;
    if (link->size < kWindowOffset + kLeastWindow) return Error::io;
    memory_[client] = std::move(*link);
    return {};
}

/// The client begins with an empty ring.
void DiskServer::answer(u32 client, Opening opening) {
    if (!works()) return opening.call.fail(Error::io);
    const DmaMemory& link = memory_[client];
    requests_.attach(client, {link.mapping.as<u8>(), link.address, link.size}, std::move(opening.signal),
                     opening.bits);
    Block::Open::Reply reply{};
    reply.instance = start_info().generation + 1;
    reply.sectors = requests_.facts().sectors;
    reply.bits = setup_.submitted_bit;
    reply.window_offset = kWindowOffset;
    reply.window_size = link.size - kWindowOffset;
    reply.max_sectors = requests_.max_sectors(client);
    reply.flags = requests_.facts().flags;
    reply.granularity = requests_.facts().granularity;
    opening.call.reply(
        reply, HandleList()
                   .add(link.memory, rights(abi::MemoryRight::read, abi::MemoryRight::write) | kCopyRight)
                   .add(loop_.signal(), rights(abi::SignalRight::notify) | kCopyRight));
}

void DiskServer::serve() {
    if (!requests_.serve()) static_cast<void>(loop_.signal().notify(setup_.submitted_bit));
    for (u32 client = 0; client < Block::kMaxClients; client++) {
        if (requests_.take_answered(client)) requests_.notify(client);
        if (!openings_[client] || !requests_.idle(client)) continue;
        Opening opening = std::move(*openings_[client]);
        openings_[client].reset();
        answer(client, std::move(opening));
    }
    if (requests_.under_way() != 0 && !watch_.armed()) {
        finished_ = requests_.finished();
        overdue_ = HostDeadline(setup_.patience);
        arm();
    }
}

void DiskServer::look() {
    if (!requests_.failed()) return;
    recover();
    serve();
}

void DiskServer::arm() { watch_.arm(now() + std::min(setup_.patience, kLookInterval)); }

/// A device that has had requests all the time, and been done with none, won't be.
void DiskServer::watch() {
    if (requests_.under_way() == 0) return;
    if (std::exchange(finished_, requests_.finished()) != requests_.finished())
        overdue_ = HostDeadline(setup_.patience);
    if (requests_.failed() || overdue_.passed()) {
        overdue_ = HostDeadline(setup_.patience);
        recover();
    }
    arm();
    serve();
}

}  // namespace pith
