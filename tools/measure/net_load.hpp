// SPDX-License-Identifier: MIT
// What suite net does to a guest from this machine: requests to its redis-server, always the same ones and each answer checked; a server that
// it downloads from; and the connection by which its program (bench/net/net.c) is told what to do.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "abi/types.hpp"

namespace pith::tools {

/// A descriptor, closed with it.
class Descriptor {
  public:
    explicit Descriptor(int number = -1) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Descriptor();
    int get() const { return number_; }

  private:
    int number_;
};

/// A port of 127.0.0.1 that nobody listens on now.
u16 free_port();

/// One request to redis-server, and the answer that it must give.
struct RedisRequest {
    std::string text;
    std::string answer;
};
/// PING, SET and GET of key `number`, with the same value for all.
RedisRequest redis_ping(u64 number);
RedisRequest redis_set(u64 number);
RedisRequest redis_get(u64 number);

/// So many connections to a redis-server behind `port` of this machine.
class RedisClients {
  public:
    RedisClients(u16 port, unsigned count);
    /// Sends `total` requests, on each connection `pipelined` at a time, and waits for all answers. Fails at another answer than wanted.
    void run(const std::function<RedisRequest(u64)>& request, unsigned pipelined, unsigned total);

  private:
    std::vector<Descriptor> connections_;
};

/// `total` connections, `concurrent` of them at a time: each asks PING, is answered, and ends.
void churn_connections(u16 port, unsigned concurrent, unsigned total);

/// Sends `bytes` bytes to the first who connects; 8 bytes at each multiple of 4096 tell their position.
class Downloads {
  public:
    explicit Downloads(u64 bytes);
    ~Downloads();
    u16 port() const { return port_; }

  private:
    u16 port_ = 0;
    Descriptor listener_;
    std::thread thread_;
};

/// The connection to the guest's program.
class Control {
  public:
    /// Waits until the guest's program answers, `seconds` at most.
    Control(u16 port, unsigned seconds);
    /// Sends a line, and waits for "ok".
    void command(const std::string& line);

  private:
    bool answered();
    Descriptor connection_;
};

}  // namespace pith::tools
