// SPDX-License-Identifier: MIT
// The network stack (protocol/net.hpp).
#include "servers/net/service.hpp"

namespace pith {

[[noreturn]] void assertion_failed(const char* text);  // lib/base/assert.hpp
void assertion_failed(const char* text) { panic(text); }

}  // namespace pith

int main() {
    using namespace pith;
    Handle<Memory> preserved = take_start_handle<Memory>("preserved");
    static auto mapping = Mapping::create(preserved, 0, stack::Records::kSize);
    if (!mapping.ok()) panic("no preserved memory");
    static EventLoop loop;
    // With connections there is always a timer pending, and every frame would pay for it.
    if (auto own = own_thread().thread_info(); own.ok())
        static_cast<void>(loop.keep_deadlines(
            own_pool(), {.name = "deadlines", .priority = own->priority, .cpu = own->cpu}));
    static const auto driver = Client<Ethernet>::from_start();
    static net_server::Service service(loop, driver, take_start_handle<Pool>("keep"),
                                       take_start_handle<CapTable>("kept"), mapping->bytes());
    static Server<Net, net_server::Service> server(loop, service);
    loop.run();
}
