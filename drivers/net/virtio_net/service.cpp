// SPDX-License-Identifier: MIT
#include "drivers/net/virtio_net/service.hpp"

#include <new>

namespace pith::virtio_net {

Service::Service(EventLoop& loop)
    : loop_(loop), submitted_(loop.allocate_signal_bit()), changed_(loop.allocate_signal_bit()) {
    const u64 seconds = start_number("patience");
    patience_ = (seconds == 0 ? 30 : seconds) * kSecond;
    auto mapping = Mapping::create(take_start_handle<Memory>("preserved"), 0, kKeptSize);
    if (!mapping.ok()) panic("no preserved memory");
    kept_ = reinterpret_cast<Kept*>(mapping->release());
    loop.on_signal(submitted_, [this](u64) {
        for (u32 i = 0; i < count_; i++) interfaces_[i]->serve();
    });
    loop.on_signal(changed_, [this](u64) {
        for (u32 i = 0; i < count_; i++) interfaces_[i]->look();
    });
    const u64 gathered = loop.allocate_signal_bit();
    loop.on_signal(gathered, [this](u64) {
        for (u32 i = 0; i < count_; i++) interfaces_[i]->gathered();
    });
    // Without it each frame is taken at once.
    if (auto own = own_thread().thread_info(); own.ok())
        static_cast<void>(lull_.start(own_pool(), loop.signal(), gathered, own->cpu));
}

Result<Interface*> Service::find(u64 index) {
    while (!complete_ && count_ < Ethernet::kMaxInterfaces) {
        auto device = PciDevice::find(devices_, count_);
        if (!device.ok() && device.error() != Error::not_found) return device.error();
        complete_ = !device.ok();
        if (complete_) break;
        const Interface::Setup setup{count_, submitted_, changed_, lull_, patience_};
        interfaces_[count_].reset(new (std::nothrow)
                                      Interface(std::move(*device), loop_, kept_[count_], setup));
        if (interfaces_[count_] == nullptr) return Error::no_memory;
        count_++;
    }
    if (index >= count_) return Error::not_found;
    return interfaces_[index].get();
}

void Service::handle(const Ethernet::Open& request, Request<Ethernet::Open> call) {
    const auto found = find(request.index);
    if (!found.ok()) return call.fail(found.error());
    found.value()->open(request, std::move(call));
}

void Service::handle(const Ethernet::Statistics& request, Request<Ethernet::Statistics> call) {
    const auto found = find(request.index);
    if (!found.ok()) return call.fail(found.error());
    call.reply(found.value()->counts());
}

}  // namespace pith::virtio_net
