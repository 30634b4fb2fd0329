// SPDX-License-Identifier: MIT
// The ext4 file server (protocol/fs.hpp).
#include "servers/fs/ext4/service.hpp"

int main() {
    using namespace pith;
    Handle<Memory> preserved = take_start_handle<Memory>("preserved");
    auto mapping = Mapping::create(preserved, 0, abi::kPageSize);
    if (!mapping.ok()) panic("no preserved memory");
    auto& state = *reinterpret_cast<ext4fs::Preserved*>(mapping->release());
    static EventLoop loop;
    static ext4fs::Service service(loop, Client<Block>::from_start(), Client<Log>::from_start(),
                                   take_start_handle<Pool>("keep"), take_start_handle<CapTable>("kept"),
                                   state);
    static Server<Fs, ext4fs::Service> server(loop, service);
    loop.run();
}
