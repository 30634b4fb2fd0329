// SPDX-License-Identifier: MIT
// Driver of virtio disks: protocol/block.hpp towards the client, protocol/device.hpp towards the devices server. Nothing is
// looked for before the first client asks; so a system without disks doesn't wait for them.
#include <memory>

#include "drivers/block/virtio_blk/disk.hpp"

namespace pith::virtio_blk {
namespace {

class Driver {
  public:
    explicit Driver(EventLoop& loop)
        : loop_(loop), submitted_(loop.allocate_signal_bit()), changed_(loop.allocate_signal_bit()) {
        loop.on_signal(submitted_, [this](u64) {
            for (u32 i = 0; i < count_; i++) disks_[i]->serve();
        });
        loop.on_signal(changed_, [this](u64) {
            for (u32 i = 0; i < count_; i++) disks_[i]->look();
        });
    }

    void handle(const Block::Open& request, Request<Block::Open> call) {
        auto signal = call.handles().take<Signal>(0);
        if (!signal.ok()) return call.fail(signal.error());
        if (auto found = find_disks(); !found.ok()) return call.fail(found.error());
        if (request.index >= count_) return call.fail(Error::not_found);
        Disk& disk = *disks_[request.index];
        auto reply = disk.open(std::move(*signal), request.bits);
        if (!reply.ok()) return call.fail(reply.error());
        call.reply(*reply,
                   HandleList()
                       .add(disk.link(), rights(abi::MemoryRight::read, abi::MemoryRight::write) | kCopyRight)
                       .add(loop_.signal(), rights(abi::SignalRight::notify) | kCopyRight));
    }

  private:
    /// Parameter "patience": seconds.
    static abi::Time read_patience() {
        const u64 seconds = start_number("patience");
        return (seconds == 0 ? 30 : seconds) * kSecond;
    }
    Result<> find_disks() {
        while (!complete_ && count_ < Block::kMaxDisks) {
            auto device = PciDevice::find(client_, count_);
            if (!device.ok() && device.error() != Error::not_found) return device.error();
            complete_ = !device.ok();
            if (complete_) break;
            disks_[count_].reset(new (std::nothrow) Disk(std::move(*device), loop_,
                                                         {count_, submitted_, changed_, patience_}));
            if (disks_[count_] == nullptr) return Error::no_memory;
            count_++;
        }
        return {};
    }

    EventLoop& loop_;
    const u64 submitted_;
    const u64 changed_;
    const abi::Time patience_ = read_patience();
    const Client<Devices> client_ = Client<Devices>::from_start();
    std::unique_ptr<Disk> disks_[Block::kMaxDisks];
    u32 count_ = 0;
    bool complete_ = false;
};

}  // namespace
}  // namespace pith::virtio_blk

int main() {
    using namespace pith;
    static EventLoop loop;
    static virtio_blk::Driver driver(loop);
    static Server<Block, virtio_blk::Driver> server(loop, driver);
    loop.run();
}
