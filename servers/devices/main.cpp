// SPDX-License-Identifier: MIT
// PCI devices for their drivers (protocol/device.hpp).
#include "servers/devices/service.hpp"

int main() {
    using namespace pith;
    const NamedHandle* machine = find_start_handle("machine");
    if (machine == nullptr) panic("started without its capabilities");
    static EventLoop loop;
    static devices::Service service(loop, take_start_handle<Machine>("machine"), machine->value,
                                    take_start_handle<Pool>("keep"), take_start_handle<CapTable>("kept"),
                                    take_start_handle<Memory>("preserved"));
    static Server<Devices, devices::Service> server(loop, service);
    service.take_over();
    loop.run();
}
