// SPDX-License-Identifier: MIT
// Driver of virtio disks: protocol/block.hpp towards the clients, protocol/device.hpp towards the devices server.
#include "drivers/block/virtio_blk/disk.hpp"
#include "lib/driver/block/driver.hpp"

int main() {
    using namespace pith;
    static EventLoop loop;
    static DiskDriver<virtio_blk::Disk> driver(loop);
    driver.begin();
    static Server<Block, DiskDriver<virtio_blk::Disk>> server(loop, driver);
    loop.run();
}
