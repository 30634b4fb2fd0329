// SPDX-License-Identifier: MIT
// Names of AF_UNIX sockets: files, abstract names, none.
#include <algorithm>
#include <cstring>

#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/unix/unix_socket.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/open.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

constexpr u32 kFamilySize = 2, kMostSize = 110;

/// The name that an address has, as UnixName keeps it. EINVAL.
SysResult<std::string> name_of(const SocketAddress& address) {
    if (address.length <= kFamilySize || address.length > kMostSize || address.family() != AF_UNIX_)
        return Errno::EINVAL;
    std::string name(reinterpret_cast<const char*>(address.bytes) + kFamilySize,
                     address.length - kFamilySize);
    if (name[0] == 0) return name;
    name.resize(std::min(name.find('\0'), name.size()));
    name.push_back('\0');
    return name;
}

std::string_view path_of(const std::string& name) { return {name.data(), name.size() - 1}; }

}  // namespace

SysResult<SocketAddress> UnixSocket::local_name() {
    if (name_) return name_->address();
    SocketAddress none;
    none.bytes[0] = AF_UNIX_;
    none.length = kFamilySize;
    return none;
}

SysResult<SocketAddress> UnixSocket::peer_name() {
    if (!peer_) return Errno::ENOTCONN;
    if (UnixSocket* other = peer(); other != nullptr) return other->local_name();
    SocketAddress name;
    if (peer_->name) return peer_->name->address();
    name.bytes[0] = AF_UNIX_;
    name.length = kFamilySize;
    return name;
}

SysResult<UnixSocket*> UnixSocket::find(Thread& thread, const SocketAddress& address) {
    const std::string name = PITH_TRY(name_of(address));
    if (name[0] == 0) {
        UnixSocket* found = domain_.find(type, name);
        return found != nullptr ? SysResult<UnixSocket*>(found) : Errno::ECONNREFUSED;
    }
    const Path path = PITH_TRY(walk(thread, kAtCwd, path_of(name)));
    PITH_CHECK(check_access(thread.process.credentials, path, kMayWrite));
    if (path.inode().type() != S_SOCKET) return Errno::ECONNREFUSED;
    UnixSocket* found = domain_.find(path.inode());
    if (found == nullptr) return Errno::ECONNREFUSED;
    if (found->type != type) return Errno::EPROTOTYPE;
    path.inode().touch_access();
    return found;
}

SysResult<> UnixSocket::bind_abstract(std::string name) {
    if (name_) return Errno::EINVAL;
    PITH_CHECK(domain_.add_abstract(*this, name));
    name_ = Ref<UnixName>::make(std::move(name));
    return {};
}

SysResult<> UnixSocket::autobind() {
    if (name_) return {};
    return bind_abstract(PITH_TRY(domain_.free_name(type)));
}

void UnixSocket::bind_path(std::string name, Path path) {
    bound_ = std::move(path);
    domain_.add_file(*this, bound_.inode());
    name_ = Ref<UnixName>::make(std::move(name));
}

Async<> UnixSocket::bind(Thread& thread, const SocketAddress& address) {
    if (address.length == kFamilySize && address.family() == AF_UNIX_) {
        if (heap_low()) return Errno::ENOMEM;
        return autobind();
    }
    std::string name = PITH_TRY(name_of(address));
    if (heap_low()) return Errno::ENOMEM;
    if (name[0] == 0) return bind_abstract(std::move(name));
    const auto in_use = [](Errno error) { return error == Errno::EEXIST ? Errno::EADDRINUSE : error; };
    if (name_) {
        const SysResult<Path> there = walk(thread, kAtCwd, path_of(name), 0);
        if (there.ok()) return Errno::EADDRINUSE;
        return there.error() == Errno::ENOENT ? Errno::EINVAL : there.error();
    }
    Async<Path> made = create_node(thread, kAtCwd, path_of(name), S_SOCKET | 0777, 0);
    if (made.ready()) {
        SysResult<Path> path = made.take();
        if (!path.ok()) return in_use(path.error());
        bind_path(std::move(name), std::move(path).value());
        return {};
    }
    return [](Ref<UnixSocket> self, std::string as, Task<SysResult<Path>> task) -> Task<SysResult<>> {
        SysResult<Path> path = co_await std::move(task);
        if (!path.ok()) co_return path.error() == Errno::EEXIST ? Errno::EADDRINUSE : path.error();
        // Another thread may have bound it meanwhile.
        if (self->name_) co_return Errno::EINVAL;
        self->bind_path(std::move(as), std::move(path).value());
        co_return SysResult<>();
    }(Ref<UnixSocket>(this), std::move(name), made.task());
}

}  // namespace pith::lx
