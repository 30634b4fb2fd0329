// SPDX-License-Identifier: MIT
// Driver of virtio network interfaces: protocol/ethernet.hpp towards the clients, protocol/device.hpp towards the devices server.
#include "drivers/net/virtio_net/service.hpp"

int main() {
    using namespace pith;
    static EventLoop loop;
    static virtio_net::Service service(loop);
    static Server<Ethernet, virtio_net::Service> server(loop, service);
    loop.run();
}
