// SPDX-License-Identifier: MIT
// protocol/ethernet.hpp over the driver's interfaces, which are looked for when the first client asks, so that a system without any
// doesn't wait for them.
#pragma once

#include <memory>

#include "drivers/net/virtio_net/interface.hpp"

namespace pith::virtio_net {

class Service {
  public:
    explicit Service(EventLoop& loop);
    void handle(const Ethernet::Open& request, Request<Ethernet::Open> call);
    void handle(const Ethernet::Statistics& request, Request<Ethernet::Statistics> call);

  private:
    static constexpr u64 kKeptSize = 3 * abi::kPageSize;
    static_assert(Ethernet::kMaxInterfaces * sizeof(Kept) <= kKeptSize);
    Result<Interface*> find(u64 index);

    EventLoop& loop_;
    const Client<Devices> devices_ = Client<Devices>::from_start();
    const u64 submitted_, changed_;
    Lull lull_;
    abi::Time patience_;
    Kept* kept_;  ///< of kMaxInterfaces
    std::unique_ptr<Interface> interfaces_[Ethernet::kMaxInterfaces];
    u32 count_ = 0;
    bool complete_ = false;
};

}  // namespace pith::virtio_net
