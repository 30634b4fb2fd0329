// SPDX-License-Identifier: MIT
#include "lib/driver/pci.hpp"

#include "lib/base/round.hpp"

namespace pith {

Result<PciDevice> PciDevice::find(const Client<Devices>& client, u64 index) {
    PciDevice device;
    device.client_ = &client;
    device.identity_ = PITH_TRY(client.call(Devices::Find{index}));
    return device;
}

Result<> PciDevice::open() {
    opened_ = PITH_TRY(client_->call(Devices::Open{identity_.device}));
    config_ = PITH_TRY(client_->call(Devices::Configuration{identity_.device}));
    return {};
}

Result<> PciDevice::close() {
    auto closed = client_->call(Devices::Close{identity_.device});
    return closed.ok() ? Result<>() : Result<>(closed.error());
}

Result<PciRegion> PciDevice::map(u32 bar, u64 offset, u64 size) const {
    if (size == 0 || offset + size < offset || offset + size > bar_size(bar)) return Error::invalid;
    const u64 first = round_down(offset, abi::kPageSize);
    const u64 end = round_up(offset + size, abi::kPageSize);
    ReceivedHandles handles;
    // One Memory for all of the BAR where that can be.
    u64 begin = 0;
    auto region = client_->call(Devices::Region{identity_.device, bar, 0}, HandleList(), handles);
    if (!region.ok() || region->length < end) {
        begin = first;
        region = client_->call(Devices::Region{identity_.device, bar, first}, HandleList(), handles);
    }
    if (!region.ok()) return region.error();
    if (begin + region->length < end) return Error::access;
    const Handle<Memory> memory = PITH_TRY(handles.take<Memory>(0));
    return PciRegion(PITH_TRY(Mapping::create(memory, first - begin, end - first)), offset - first, size);
}

Result<Handle<Interrupt>> PciDevice::interrupt(u32 number) const {
    ReceivedHandles handles;
    auto reply = client_->call(Devices::Interrupt{identity_.device, number}, HandleList(), handles);
    if (!reply.ok()) return reply.error();
    return handles.take<Interrupt>(0);
}

Result<DmaMemory> PciDevice::dma_memory(u64 key, u64 size) const {
    ReceivedHandles handles;
    const auto reply = PITH_TRY(
        client_->call(Devices::DmaMemory{identity_.device, key, size}, HandleList(), handles));
    if (reply.size < size) return Error::protocol;
    DmaMemory result;
    result.memory = PITH_TRY(handles.take<Memory>(0));
    result.mapping = PITH_TRY(Mapping::create(result.memory, 0, reply.size));
    result.address = reply.address;
    result.size = reply.size;
    return result;
}

}  // namespace pith
