// SPDX-License-Identifier: MIT
#include "tools/fault/text_server.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/base/host.hpp"

namespace pith::tools {

std::string numbers(u32 last) {
    std::string text;
    for (u32 i = 1; i <= last; ++i) text += std::to_string(i) + '\n';
    return text;
}

namespace {

/// Gives a socket a port of 127.0.0.1; 0: it did not work.
u16 bind_anywhere(int socket) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (socket < 0 || ::bind(socket, generic, size) != 0 || ::getsockname(socket, generic, &size) != 0)
        return 0;
    return ntohs(address.sin_port);
}

}  // namespace

u16 free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const u16 port = bind_anywhere(socket);
    if (port == 0) fail(1, "{}", error_text("a free port"));
    ::close(socket);
    return port;
}

TextServer::TextServer(std::string text) : text_(std::move(text)) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    stop_ = ::eventfd(0, EFD_CLOEXEC);
    port_ = bind_anywhere(socket_);
    if (stop_ < 0 || port_ == 0 || ::listen(socket_, 16) != 0)
        fail(1, "{}", error_text("a port to serve on"));
    thread_ = std::thread([this] { serve(); });
}

TextServer::~TextServer() {
    const u64 one = 1;
    (void)!::write(stop_, &one, sizeof(one));
    thread_.join();
    ::close(socket_);
    ::close(stop_);
}

/// One at a time: a guest has one connection at a time.
void TextServer::serve() {
    for (;;) {
        pollfd set[] = {{stop_, POLLIN, 0}, {socket_, POLLIN, 0}};
        ::poll(set, 2, -1);
        if (set[0].revents != 0) return;
        const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (connection < 0) continue;
        send_to(connection);
        ::close(connection);
    }
}

void TextServer::send_to(int connection) const {
    usize done = 0;
    while (done < text_.size()) {
        pollfd set[] = {{stop_, POLLIN, 0}, {connection, POLLOUT, 0}};
        ::poll(set, 2, -1);
        if (set[0].revents != 0) return;
        const ssize_t count = ::send(connection, text_.data() + done, text_.size() - done, MSG_NOSIGNAL);
        if (count > 0) done += static_cast<usize>(count);
        else if (count < 0 && errno != EAGAIN && errno != EINTR) return;
    }
}

}  // namespace pith::tools
