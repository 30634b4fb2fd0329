// SPDX-License-Identifier: MIT
// Sends the same text to everybody who connects to a TCP port of 127.0.0.1, and closes; the guest finds it at 10.0.2.2.
#pragma once

#include <string>
#include <thread>

#include "abi/types.hpp"

namespace pith::tools {

class TextServer {
  public:
    explicit TextServer(std::string text);
    TextServer(const TextServer&) = delete;
    TextServer& operator=(const TextServer&) = delete;
    ~TextServer();
    u16 port() const { return port_; }

  private:
    void serve();
    void send_to(int connection) const;

    const std::string text_;
    int socket_ = -1;
    int stop_ = -1;  ///< an eventfd: readable when it is to end
    u16 port_ = 0;
    std::thread thread_;
};

/// A TCP port of 127.0.0.1 that nobody uses now.
u16 free_port();

/// The lines 1 to `last`.
std::string numbers(u32 last);

}  // namespace pith::tools
