// SPDX-License-Identifier: MIT
// The calls on sockets that move no bytes: making, naming, connecting, options.
#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/options.hpp"
#include "servers/linux/net/socket.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

namespace {

constexpr u32 kTypeMask = 15, kTypeFlags = O_CLOSE_EXEC | O_NON_BLOCK, kTypes = 11, kFamilies = 46;
constexpr i32 kMostBacklog = 4096;
constexpr i32 kMostProtocol = 262;

/// What socket and socketpair are asked for.
struct Wanted {
    u16 family;
    SocketType type;
    i32 protocol;
    u32 flags;
};

SysResult<Wanted> check_wanted(const SyscallArgs& args) {
    const u32 family = as_unsigned(args.a0), type = as_unsigned(args.a1);
    if (family >= kFamilies) return Errno::EAFNOSUPPORT;
    if ((type & kTypeMask) >= kTypes) return Errno::EINVAL;
    return Wanted{static_cast<u16>(family), static_cast<SocketType>(type & kTypeMask), as_int(args.a2),
                  type & O_NON_BLOCK};
}

bool flags_known(const SyscallArgs& args) { return (as_unsigned(args.a1) & ~(kTypeMask | kTypeFlags)) == 0; }

SysResult<Ref<Socket>> make_socket(Thread& thread, const SyscallArgs& args) {
    if (!flags_known(args)) return Errno::EINVAL;
    const Wanted wanted = PITH_TRY(check_wanted(args));
    if (heap_low()) return Errno::ENFILE;
    switch (wanted.family) {
        case AF_UNIX_: return make_unix_socket(thread, wanted.type, wanted.protocol, wanted.flags);
        case AF_INET_:
        case AF_INET6_:
            if (wanted.protocol < 0 || wanted.protocol >= kMostProtocol) return Errno::EINVAL;
            return make_inet_socket(thread, wanted.family, wanted.type, wanted.protocol, wanted.flags);
        case AF_NETLINK_: return make_netlink_socket(thread, wanted.type, wanted.protocol, wanted.flags);
        default: return Errno::EAFNOSUPPORT;
    }
}

SysResult<std::pair<Ref<Socket>, Ref<Socket>>> make_pair(Thread& thread, const SyscallArgs& args) {
    const Wanted wanted = PITH_TRY(check_wanted(args));
    if (wanted.family == AF_UNIX_) {
        if (heap_low()) return Errno::ENFILE;
        return make_unix_pair(thread, wanted.type, wanted.protocol, wanted.flags);
    }
    PITH_TRY(make_socket(thread, args));
    return Errno::EOPNOTSUPP;
}

}  // namespace

Outcome sys_socket(Thread& thread, const SyscallArgs& args) {
    SysResult<Ref<Socket>> made = make_socket(thread, args);
    if (!made.ok()) return made.error();
    return thread.process.files->add(std::move(made).value(), (args.a1 & O_CLOSE_EXEC) != 0,
                                     descriptor_limit(thread));
}

Outcome sys_socketpair(Thread& thread, const SyscallArgs& args) {
    if (!flags_known(args)) return Errno::EINVAL;
    FileTable& table = *thread.process.files;
    if (const SysResult<> room = table.check_room(descriptor_limit(thread)); !room.ok()) return room;
    // The address is written to before anything is made, as on Linux.
    i32 numbers[2] = {-1, -1};
    if (const SysResult<> writable = put(thread, args.a3, numbers); !writable.ok()) return writable;
    auto made = make_pair(thread, args);
    if (!made.ok()) return made.error();
    const bool close_on_exec = (args.a1 & O_CLOSE_EXEC) != 0;
    const SysResult<i32> first = table.add(made.value().first, close_on_exec, descriptor_limit(thread));
    if (!first.ok()) return first.error();
    const SysResult<i32> second = table.add(made.value().second, close_on_exec, descriptor_limit(thread));
    if (!second.ok()) {
        static_cast<void>(table.close(first.value()));
        return second.error();
    }
    numbers[0] = first.value();
    numbers[1] = second.value();
    return put(thread, args.a3, numbers);
}

namespace {

Async<u64> call_bind(Thread& thread, const SyscallArgs& args) {
    Socket* socket = PITH_TRY(find_socket(thread, args.a0));
    const SocketAddress address = PITH_TRY(SocketAddress::get(thread, args.a1, as_unsigned(args.a2)));
    return zero_when_done(socket->bind(thread, address));
}

Async<u64> call_connect(Thread& thread, const SyscallArgs& args) {
    File* file = PITH_TRY(open_file(thread, args.a0));
    const SocketAddress address = PITH_TRY(SocketAddress::get(thread, args.a1, as_unsigned(args.a2)));
    Socket* socket = socket_of(*file);
    if (socket == nullptr) return Errno::ENOTSOCK;
    return zero_when_done(socket->connect(thread, address));
}

}  // namespace

PITH_PATH_SYSCALL(bind)
PITH_PATH_SYSCALL(connect)

Outcome sys_listen(Thread& thread, const SyscallArgs& args) {
    const SysResult<Socket*> socket = find_socket(thread, args.a0);
    if (!socket.ok()) return socket.error();
    const u32 backlog = as_unsigned(args.a1);
    return socket.value()->listen(thread, backlog > kMostBacklog ? kMostBacklog : static_cast<i32>(backlog));
}

namespace {

SysResult<u64> install_accepted(Thread& thread, const Ref<Socket>& accepted, u64 address, u64 length_address,
                                bool close_on_exec) {
    if (address != 0) {
        const SysResult<SocketAddress> peer = accepted->peer_name();
        if (!peer.ok()) return Errno::ECONNABORTED;
        PITH_CHECK(peer.value().put(thread, address, length_address));
    }
    const i32 number = PITH_TRY(thread.process.files->add(accepted, close_on_exec, descriptor_limit(thread)));
    return static_cast<u64>(number);
}

Outcome do_accept(Thread& thread, const SyscallArgs& args, u32 flags) {
    const SysResult<File*> file = open_file(thread, args.a0);
    if (!file.ok()) return file.error();
    if ((flags & ~kTypeFlags) != 0) return Errno::EINVAL;
    if (const SysResult<> room = thread.process.files->check_room(descriptor_limit(thread)); !room.ok())
        return room;
    Socket* socket = socket_of(*file.value());
    if (socket == nullptr) return Errno::ENOTSOCK;
    const bool close_on_exec = (flags & O_CLOSE_EXEC) != 0;
    Async<Ref<Socket>> accepted = socket->accept(thread, flags & O_NON_BLOCK);
    if (accepted.ready()) {
        const SysResult<Ref<Socket>> result = accepted.take();
        if (!result.ok()) return result.error();
        return install_accepted(thread, result.value(), args.a1, args.a2, close_on_exec);
    }
    return run(thread,
               [](Thread& asking, Ref<Socket>, u64 address, u64 length_address, bool on_exec,
                  Task<SysResult<Ref<Socket>>> task) -> Task<SysResult<u64>> {
                   const Ref<Socket> connection = PITH_CO_TRY(co_await std::move(task));
                   co_return install_accepted(asking, connection, address, length_address, on_exec);
               }(thread, Ref<Socket>(socket), args.a1, args.a2, close_on_exec, accepted.task()));
}

Outcome tell_name(Thread& thread, const SyscallArgs& args, bool peer) {
    const SysResult<Socket*> socket = find_socket(thread, args.a0);
    if (!socket.ok()) return socket.error();
    const SysResult<SocketAddress> name = peer ? socket.value()->peer_name() : socket.value()->local_name();
    if (!name.ok()) return name.error();
    const SysResult<i32> room = get<i32>(thread, args.a2);
    if (!room.ok()) return room.error();
    if (room.value() < 0) return Errno::EINVAL;
    if (args.a1 == 0 && room.value() != 0) return Errno::EFAULT;
    if (args.a1 == 0) return put(thread, args.a2, name.value().length);
    return name.value().put(thread, args.a1, args.a2);
}

}  // namespace

Outcome sys_accept(Thread& thread, const SyscallArgs& args) { return do_accept(thread, args, 0); }
Outcome sys_accept4(Thread& thread, const SyscallArgs& args) {
    return do_accept(thread, args, as_unsigned(args.a3));
}
Outcome sys_getsockname(Thread& thread, const SyscallArgs& args) { return tell_name(thread, args, false); }
Outcome sys_getpeername(Thread& thread, const SyscallArgs& args) { return tell_name(thread, args, true); }

Outcome sys_shutdown(Thread& thread, const SyscallArgs& args) {
    const SysResult<Socket*> socket = find_socket(thread, args.a0);
    if (!socket.ok()) return socket.error();
    const u32 how = as_unsigned(args.a1);
    if (how > static_cast<u32>(Shutdown::both)) return Errno::EINVAL;
    return socket.value()->shutdown(thread, static_cast<Shutdown>(how));
}

Outcome sys_setsockopt(Thread& thread, const SyscallArgs& args) {
    constexpr i32 kMost = 4096;
    const i32 length = as_int(args.a4);
    if (length < 0) return Errno::EINVAL;
    const SysResult<Socket*> socket = find_socket(thread, args.a0);
    if (!socket.ok()) return socket.error();
    u8 value[kMost];
    const usize size = static_cast<usize>(length < kMost ? length : kMost);
    if (size != 0) {
        if (const SysResult<> copied = copy_in(thread, value, args.a3, size); !copied.ok()) return copied;
    }
    return set_socket_option(thread, *socket.value(), as_int(args.a1), as_int(args.a2), {value, size});
}

Outcome sys_getsockopt(Thread& thread, const SyscallArgs& args) {
    const SysResult<Socket*> socket = find_socket(thread, args.a0);
    if (!socket.ok()) return socket.error();
    const SysResult<i32> room = get<i32>(thread, args.a4);
    if (!room.ok()) return room.error();
    if (room.value() < 0) return Errno::EINVAL;
    std::vector<u8> value;
    const usize most = static_cast<usize>(room.value());
    if (const SysResult<> got = get_socket_option(thread, *socket.value(), as_int(args.a1), as_int(args.a2),
                                                  most, value);
        !got.ok())
        return got;
    const usize size = value.size() < most ? value.size() : most;
    if (size != 0) {
        if (const SysResult<> copied = copy_out(thread, args.a3, value.data(), size); !copied.ok())
            return copied;
    }
    return put(thread, args.a4, static_cast<i32>(size));
}

}  // namespace pith::lx
