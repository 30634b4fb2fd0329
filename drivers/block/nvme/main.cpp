// SPDX-License-Identifier: MIT
// Driver of NVMe disks: protocol/block.hpp towards the clients, protocol/device.hpp towards the devices server.
#include "drivers/block/nvme/disk.hpp"
#include "lib/driver/block/driver.hpp"

int main() {
    using namespace pith;
    static EventLoop loop;
    static DiskDriver<nvme::Disk> driver(loop);
    driver.begin();
    static Server<Block, DiskDriver<nvme::Disk>> server(loop, driver);
    loop.run();
}
