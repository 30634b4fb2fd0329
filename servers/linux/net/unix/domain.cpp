// SPDX-License-Identifier: MIT
#include "servers/linux/net/unix/domain.hpp"

#include <algorithm>
#include <cstring>

#include "servers/linux/net/unix/unix_socket.hpp"
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

UnixDomain& unix_domain(Zone& zone) {
    if (zone.unix_domain == nullptr) zone.unix_domain = new UnixDomain;
    return *zone.unix_domain;
}

SocketAddress UnixName::address() const {
    SocketAddress result;
    result.bytes[0] = AF_UNIX_;
    std::memcpy(result.bytes + 2, bytes.data(), bytes.size());
    result.length = static_cast<u32>(2 + bytes.size());
    return result;
}

// Names

UnixSocket* UnixDomain::find(SocketType type, const std::string& name) const {
    const auto found = abstract_.find({type, name});
    return found != abstract_.end() ? found->second : nullptr;
}

UnixSocket* UnixDomain::find(const Inode& inode) const {
    const auto found = files_.find(&inode);
    return found != files_.end() ? found->second : nullptr;
}

SysResult<> UnixDomain::add_abstract(UnixSocket& socket, const std::string& name) {
    if (!abstract_.emplace(std::pair(socket.type, name), &socket).second) return Errno::EADDRINUSE;
    return {};
}

SysResult<std::string> UnixDomain::free_name(SocketType type) {
    constexpr u32 kNames = 1 << 20;
    for (u32 tries = 0; tries < kNames; ++tries) {
        std::string name = std::string(1, '\0') + hexadecimal(next_name_, 5);
        next_name_ = (next_name_ + 1) % kNames;
        if (find(type, name) == nullptr) return name;
    }
    return Errno::ENOSPC;
}

void UnixDomain::remove(UnixSocket& socket, const UnixName* name, const Inode* inode) {
    sockets_.erase(&socket);
    in_flight_.erase(&socket);
    if (inode != nullptr && find(*inode) == &socket) files_.erase(inode);
    if (name != nullptr && name->abstract() && find(socket.type, name->bytes) == &socket)
        abstract_.erase({socket.type, name->bytes});
}

// Descriptors in flight

namespace {

UnixSocket* unix_socket_of(File& file) {
    Socket* socket = socket_of(file);
    return socket != nullptr && socket->family == AF_UNIX_ ? static_cast<UnixSocket*>(socket) : nullptr;
}

}  // namespace

void UnixDomain::count(const std::vector<Ref<File>>& files, u32 uid) {
    by_user_[uid] += files.size();
    for (const Ref<File>& file : files) {
        UnixSocket* socket = unix_socket_of(*file);
        if (socket != nullptr && socket->in_flight++ == 0) in_flight_.insert(socket);
    }
}

void UnixDomain::uncount(const std::vector<Ref<File>>& files, u32 uid) {
    if (const auto user = by_user_.find(uid); user != by_user_.end() && (user->second -= files.size()) == 0)
        by_user_.erase(user);
    for (const Ref<File>& file : files) {
        UnixSocket* socket = unix_socket_of(*file);
        if (socket != nullptr && --socket->in_flight == 0) in_flight_.erase(socket);
    }
}

usize UnixDomain::in_flight(u32 uid) const {
    const auto user = by_user_.find(uid);
    return user != by_user_.end() ? user->second : 0;
}

void UnixDomain::close(std::vector<Ref<File>>&& files) {
    for (Ref<File>& file : files) closing_.push_back(std::move(file));
    files.clear();
    work();
}

void UnixDomain::closed() {
    collect_ = collect_ || !in_flight_.empty();
    work();
}

/// What is closed here may close more, and call for more: a list takes the place of recursion.
void UnixDomain::work() {
    if (working_) return;
    working_ = true;
    while (!closing_.empty() || collect_) {
        if (!closing_.empty()) {
            const Ref<File> last = std::move(closing_.back());
            closing_.pop_back();
            continue;
        }
        collect_ = false;
        collect();
    }
    working_ = false;
}

/// A socket that has no holder but messages is alive only if one of these messages is where somebody can reach it.
void UnixDomain::collect() {
    const auto candidate = [](const UnixSocket& socket) { return socket.ref_count() == socket.in_flight; };
    for (UnixSocket* socket : in_flight_) {
        socket->internal = 0;
        socket->reachable = false;
    }
    const auto for_each_held = [](UnixSocket& socket, auto visit) {
        socket.for_each_right([&](InFlight& rights) {
            for (const Ref<File>& file : rights.files()) {
                if (UnixSocket* held = unix_socket_of(*file); held != nullptr) visit(*held);
            }
        });
    };
    for (UnixSocket* socket : in_flight_) {
        if (candidate(*socket)) for_each_held(*socket, [](UnixSocket& held) { ++held.internal; });
    }
    std::vector<UnixSocket*> reached;
    const auto reach = [&](UnixSocket& socket) {
        if (socket.reachable) return;
        socket.reachable = true;
        reached.push_back(&socket);
    };
    for (UnixSocket* socket : in_flight_) {
        if (!candidate(*socket) || socket->internal < socket->in_flight) reach(*socket);
    }
    while (!reached.empty()) {
        UnixSocket& socket = *reached.back();
        reached.pop_back();
        for_each_held(socket, reach);
    }
    std::vector<Ref<File>> garbage;
    for (UnixSocket* socket : std::vector<UnixSocket*>(in_flight_.begin(), in_flight_.end())) {
        if (!socket->reachable) socket->drop_rights(garbage);
    }
    for (Ref<File>& file : garbage) closing_.push_back(std::move(file));
}

SysResult<InFlight> InFlight::create(Thread& sender, std::vector<Ref<File>>&& files) {
    InFlight result;
    if (files.empty()) return result;
    constexpr u64 kCapSysAdmin = 1 << 21, kCapSysResource = 1 << 24;
    const Credentials& credentials = sender.process.credentials;
    UnixDomain& domain = unix_domain(sender.zone());
    if (domain.in_flight(credentials.uid) > sender.process.limit(Resource::nofile).soft &&
        (credentials.effective & (kCapSysAdmin | kCapSysResource)) == 0)
        return Errno::ETOOMANYREFS;
    result.domain_ = &domain;
    result.uid_ = credentials.uid;
    result.files_ = std::move(files);
    domain.count(result.files_, result.uid_);
    return result;
}

std::vector<Ref<File>> InFlight::take() {
    if (domain_ != nullptr) domain_->uncount(files_, uid_);
    return std::exchange(files_, {});
}

InFlight::~InFlight() {
    if (!files_.empty()) domain_->close(take());
}

}  // namespace pith::lx
