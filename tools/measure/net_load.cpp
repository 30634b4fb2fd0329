// SPDX-License-Identifier: MIT
#include "tools/measure/net_load.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "tools/base/host.hpp"

namespace pith::tools {

namespace {

constexpr int kPatience = 60'000;  ///< milliseconds without an answer
constexpr u64 kKeys = 100;
constexpr usize kPage = 4096;
constexpr usize kPiece = 64 << 10;

sockaddr_in loopback(u16 port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

Descriptor new_socket(int flags = 0) {
    Descriptor made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    const int one = 1;
    if (made.get() < 0 || ::setsockopt(made.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
        fail(1, "{}", error_text("socket"));
    return made;
}

bool connect_to(const Descriptor& socket, u16 port) {
    const sockaddr_in address = loopback(port);
    return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
           errno == EINPROGRESS;
}

Descriptor listen_anywhere(u16& port) {
    Descriptor made = new_socket();
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    sockaddr* const pointer = reinterpret_cast<sockaddr*>(&address);
    if (::bind(made.get(), pointer, size) != 0 || ::listen(made.get(), 1) != 0 ||
        ::getsockname(made.get(), pointer, &size) != 0)
        fail(1, "{}", error_text("listen"));
    port = ntohs(address.sin_port);
    return made;
}

/// False: the other side has gone.
bool send_all(int socket, const char* data, usize size) {
    while (size > 0) {
        const ssize_t sent = ::send(socket, data, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        data += sent;
        size -= static_cast<usize>(sent);
    }
    return true;
}

std::string key_of(u64 number) { return std::format("key:{:04}", number * 7919 % kKeys); }

/// A connection with requests under way.
struct Asking {
    std::string wanted;  ///< what is still to be answered
};

class Poll {
  public:
    Poll() : poll_(::epoll_create1(EPOLL_CLOEXEC)) {}
    void add(int descriptor, u32 events, u64 data) {
        epoll_event event{.events = events, .data = {.u64 = data}};
        if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0)
            fail(1, "{}", error_text("epoll_ctl"));
    }
    void change(int descriptor, u32 events, u64 data) {
        epoll_event event{.events = events, .data = {.u64 = data}};
        ::epoll_ctl(poll_.get(), EPOLL_CTL_MOD, descriptor, &event);
    }
    /// The data of those that are ready.
    std::vector<u64> wait() {
        epoll_event events[128];
        const int count = ::epoll_wait(poll_.get(), events, std::size(events), kPatience);
        if (count <= 0) fail(1, "the guest does not answer");
        std::vector<u64> ready;
        for (int i = 0; i < count; ++i) ready.push_back(events[i].data.u64);
        return ready;
    }

  private:
    Descriptor poll_;
};

/// Takes an answer, or a part of it, from what is wanted.
void take_answer(int socket, std::string& wanted) {
    char buffer[kPiece];
    const ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
    if (got <= 0)
        fail(1, "redis-server has closed a connection: {}", got == 0 ? "in order" : std::strerror(errno));
    const std::string_view answer(buffer, static_cast<usize>(got));
    if (!wanted.starts_with(answer)) fail(1, "redis-server answered '{}', not '{}'", answer, wanted);
    wanted.erase(0, answer.size());
}

}  // namespace

Descriptor::~Descriptor() {
    if (number_ >= 0) ::close(number_);
}

u16 free_port() {
    u16 port;
    listen_anywhere(port);
    return port;
}

RedisRequest redis_ping(u64) { return {"*1\r\n$4\r\nPING\r\n", "+PONG\r\n"}; }
RedisRequest redis_set(u64 number) {
    return {std::format("*3\r\n$3\r\nSET\r\n$8\r\n{}\r\n$3\r\nxyz\r\n", key_of(number)), "+OK\r\n"};
}
RedisRequest redis_get(u64 number) {
    return {std::format("*2\r\n$3\r\nGET\r\n$8\r\n{}\r\n", key_of(number)), "$3\r\nxyz\r\n"};
}

RedisClients::RedisClients(u16 port, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        connections_.push_back(new_socket());
        if (!connect_to(connections_.back(), port)) fail(1, "{}", error_text("connect"));
    }
    run(redis_ping, 1, count);
}

void RedisClients::run(const std::function<RedisRequest(u64)>& request, unsigned pipelined, unsigned total) {
    Poll poll;
    std::vector<Asking> asking(connections_.size());
    u64 sent = 0;
    usize busy = 0;
    const auto ask = [&](u64 index) {
        std::string text;
        for (unsigned i = 0; i < pipelined && sent < total; ++i, ++sent) {
            const RedisRequest next = request(sent);
            text += next.text;
            asking[index].wanted += next.answer;
        }
        if (text.empty()) return;
        ++busy;
        if (!send_all(connections_[index].get(), text.data(), text.size())) fail(1, "{}", error_text("send"));
    };
    for (u64 index = 0; index < connections_.size(); ++index) {
        poll.add(connections_[index].get(), EPOLLIN, index);
        ask(index);
    }
    while (busy > 0) {
        for (const u64 index : poll.wait()) {
            take_answer(connections_[index].get(), asking[index].wanted);
            if (!asking[index].wanted.empty()) continue;
            --busy;
            ask(index);
        }
    }
}

void churn_connections(u16 port, unsigned concurrent, unsigned total) {
    struct One {
        Descriptor socket;
        std::string wanted;  ///< empty: it has not asked yet
    };
    Poll poll;
    std::vector<One> all(concurrent);
    unsigned begun = 0, ended = 0;
    const auto begin = [&](u64 index) {
        if (begun == total) return;
        ++begun;
        all[index] = {new_socket(SOCK_NONBLOCK), ""};
        if (!connect_to(all[index].socket, port)) fail(1, "{}", error_text("connect"));
        poll.add(all[index].socket.get(), EPOLLOUT, index);
    };
    for (u64 index = 0; index < concurrent; ++index) begin(index);
    while (ended < total) {
        for (const u64 index : poll.wait()) {
            One& one = all[index];
            if (one.wanted.empty()) {
                const RedisRequest ping = redis_ping(0);
                if (!send_all(one.socket.get(), ping.text.data(), ping.text.size()))
                    fail(1, "{}", error_text("send"));
                one.wanted = ping.answer;
                poll.change(one.socket.get(), EPOLLIN, index);
                continue;
            }
            take_answer(one.socket.get(), one.wanted);
            if (!one.wanted.empty()) continue;
            ++ended;
            one.socket = Descriptor();
            begin(index);
        }
    }
}

Downloads::Downloads(u64 bytes) : listener_(listen_anywhere(port_)) {
    thread_ = std::thread([this, bytes] {
        const Descriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (connection.get() < 0) return;  // nobody came
        std::vector<char> piece(kPiece, 'x');
        for (u64 at = 0; at < bytes; at += kPiece) {
            for (u64 page = 0; page < kPiece; page += kPage) {
                const u64 position = at + page;
                std::memcpy(piece.data() + page, &position, sizeof position);
            }
            if (!send_all(connection.get(), piece.data(), std::min<u64>(kPiece, bytes - at))) return;
        }
    });
}

Downloads::~Downloads() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
}

// Whatever the guest does, the forwarded port takes connections; only an answer says that somebody is there.
Control::Control(u16 port, unsigned seconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (true) {
        connection_ = new_socket();
        if (connect_to(connection_, port) && answered()) return;
        if (std::chrono::steady_clock::now() > end) fail(1, "the guest's program does not answer");
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

bool Control::answered() {
    std::string answer;
    pollfd ready{connection_.get(), POLLIN, 0};
    while (!answer.ends_with('\n')) {
        char byte;
        if (::poll(&ready, 1, kPatience) != 1 || ::recv(connection_.get(), &byte, 1, 0) != 1) return false;
        answer += byte;
    }
    return answer == "ok\n";
}

void Control::command(const std::string& line) {
    if (!send_all(connection_.get(), (line + "\n").data(), line.size() + 1) || !answered())
        fail(1, "the guest's program has not done '{}'", line);
}

}  // namespace pith::tools
