// SPDX-License-Identifier: MIT
#include "drivers/block/nvme/disk.hpp"

#include <algorithm>

#include "lib/base/round.hpp"

namespace pith::nvme {

namespace {

constexpr u64 kListsKey = 2;
constexpr u64 kLinkKey = 3;  // of the first client; the others' follow
constexpr u32 kSectorShift = 9;
static_assert(1 << kSectorShift == Block::kSectorSize);

}  // namespace

Result<DiskFacts> Disk::start() {
    PITH_CHECK(device_.open());
    if (device_.interrupts() == 0) return Error::unsupported;
    if (!attached_) {
        PITH_CHECK(controller_.attach(device_));
        lists_ = PITH_TRY(device_.dma_memory(kListsKey, kListsSize));
    }
    // Asking for an interrupt is what has the device raise it, at each start. It is bound once.
    Handle<Interrupt> line = PITH_TRY(device_.interrupt(0));
    if (!attached_) PITH_CHECK(line_.attach(loop_, std::move(line), [this] { collect(); }));
    attached_ = true;
    namespace_ = PITH_TRY(controller_.start());
    added_ = false;
    DiskFacts facts{};
    facts.granularity = 1u << (namespace_.block_size - kSectorShift);
    facts.sectors = namespace_.blocks * facts.granularity;
    facts.max_sectors = static_cast<u32>(
        std::min<u64>(kMaxSectors, namespace_.max_transfer / Block::kSectorSize));
    facts.flags = namespace_.read_only ? Block::kReadOnly : 0;
    facts.flushes = namespace_.write_cache;
    return facts;
}

Result<DmaMemory> Disk::link(u32 number, u64 size) { return device_.dma_memory(kLinkKey + number, size); }

bool Disk::submit(u32 slot, const DiskRequest& request) {
    Command command{};
    command.name_space = namespace_.number;
    if (request.operation == Block::Operation::flush) {
        command.opcode = kFlush;
    } else {
        command.opcode = request.operation == Block::Operation::read ? kRead : kWrite;
        const u32 shift = namespace_.block_size - kSectorShift;
        const u64 block = request.sector >> shift;
        command.words[0] = static_cast<u32>(block);
        command.words[1] = static_cast<u32>(block >> 32);
        command.words[2] = (request.sectors >> shift) - 1;
        set_pages(command, slot, request.address, request.sectors * Block::kSectorSize);
    }
    if (!controller_.queues().add(slot, command)) return false;
    added_ = true;
    return true;
}

/// The pages of a run of memory (4.3): the first may be entered in its middle; two fit in the command.
void Disk::set_pages(Command& command, u32 slot, u64 address, u64 bytes) {
    command.prp1 = address;
    const u64 end = address + bytes;
    u64 page = round_down(address, abi::kPageSize) + abi::kPageSize;
    if (page >= end) return;
    if (end - page <= abi::kPageSize) {
        command.prp2 = page;
        return;
    }
    command.prp2 = lists_.address + slot * sizeof(PageList);
    u64* entry = *lists_.mapping.as<PageList>(slot * sizeof(PageList));
    for (; page < end; page += abi::kPageSize) *entry++ = page;
}

void Disk::publish() {
    if (std::exchange(added_, false)) controller_.ring_submissions();
}

/// Takes what the controller is done with, then what the clients had no room for.
void Disk::collect() {
    QueuePair& queues = controller_.queues();
    QueuePair::Done done;
    bool any = false;
    while (server_.works() && queues.take(done)) {
        any = true;
        server_.finish(done.tag, done.status == 0 ? Error::ok : Error::io);
    }
    if (any) controller_.ring_completions();
    if (server_.works() && queues.broken()) server_.recover();
    server_.serve();
}

}  // namespace pith::nvme
