// SPDX-License-Identifier: MIT
// Start of chaos. See README.md.
#include "servers/chaos/service.hpp"

int main() {
    using namespace pith;
    static EventLoop loop;
    static chaos::Service service(chaos::read_settings());
    static Server<Chaos, chaos::Service> server(loop, service);
    for (;;) {
        loop.run_once(service.next());
        service.act();
    }
}
