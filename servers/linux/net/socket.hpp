// SPDX-License-Identifier: MIT
// Socket: what all families have in common: a File with options, and the calls on it as virtual functions. A family overrides what it can do; the rest
// fails as Linux does. The system calls (syscalls.cpp) copy arguments in and results out, look at descriptors and check flags; what is left is here.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "servers/linux/net/address.hpp"
#include "servers/linux/process.hpp"
#include "servers/linux/vfs/file.hpp"

namespace pith::lx {

enum class SocketType : u8 { stream = 1, datagram = 2, raw = 3, sequenced_packet = 5 };

// MSG_* flags.
inline constexpr u32 kMsgOutOfBand = 0x1, kMsgPeek = 0x2, kMsgDontRoute = 0x4, kMsgControlTruncated = 0x8,
                     kMsgTruncated = 0x20, kMsgDontWait = 0x40, kMsgEndOfRecord = 0x80, kMsgWaitAll = 0x100,
                     kMsgConfirm = 0x800, kMsgErrorQueue = 0x2000, kMsgNoSignal = 0x4000, kMsgMore = 0x8000,
                     kMsgWaitForOne = 0x10000, kMsgFastOpen = 0x20000000, kMsgCloseOnExec = 0x40000000;

// shutdown's `how`.
enum class Shutdown : u32 { read = 0, write = 1, both = 2 };

/// struct ucred.
struct PeerCredentials {
    i32 pid;
    u32 uid, gid;
};

/// What sendmsg gives beside the bytes.
struct SendExtras {
    u32 flags = 0;  ///< MSG_*
    std::optional<SocketAddress> to;
    std::vector<Ref<File>> rights;               ///< SCM_RIGHTS
    std::optional<PeerCredentials> credentials;  ///< SCM_CREDENTIALS, checked already
    /// Further control messages, for the family: level, type, data.
    struct Control {
        i32 level, type;
        std::vector<u8> data;
    };
    std::vector<Control> controls;
};

/// What recvmsg gets beside the bytes.
struct ReceiveExtras {
    u32 flags = 0;   ///< in: MSG_*
    u32 result = 0;  ///< out: msg_flags (kMsgTruncated, kMsgEndOfRecord)
    usize
        length = 0;  ///< out: of the whole datagram, for kMsgTruncated in `flags`: what the call returns then
    SocketAddress from;  ///< out; of length 0: unknown
    std::vector<Ref<File>> rights;
    std::optional<PeerCredentials> credentials;
    std::vector<SendExtras::Control> controls;  ///< IP_PKTINFO, SO_TIMESTAMP, ...
};

/// Options of level SOL_SOCKET that every family keeps.
struct SocketOptions {
    bool reuse_address = false, reuse_port = false, keep_alive = false, broadcast = false, no_check = false;
    bool out_of_band_inline = false, pass_credentials = false, timestamp = false, timestamp_ns = false,
         linger = false, dont_route = false, debug = false, receive_overflow = false;
    i32 linger_seconds = 0;
    i32 send_buffer = 212992, receive_buffer = 212992;  ///< as getsockopt tells them
    i32 receive_low_water = 1;
    i32 priority = 0, mark = 0;
    Time receive_timeout = 0, send_timeout = 0;  ///< nanoseconds; 0: none
    u32 bound_interface = 0;
    i32 peek_offset = -1;  ///< SO_PEEK_OFF; -1: off
};

class Socket : public File {
  public:
    Socket(Path file_path, u32 open_flags, u16 socket_family, SocketType socket_type, i32 socket_protocol)
        : File(std::move(file_path), open_flags),
          family(socket_family),
          type(socket_type),
          protocol(socket_protocol) {}
    FileKind kind() const override { return FileKind::socket; }
    SysResult<i64> seek(i64, Whence) override { return Errno::ESPIPE; }

    const u16 family;
    const SocketType type;
    const i32 protocol;
    SocketOptions options;
    Errno pending_error = Errno::ok;  ///< SO_ERROR; taken by the next call that would tell it
    Errno take_error() { return std::exchange(pending_error, Errno::ok); }

    virtual Async<> bind(Thread& thread, const SocketAddress& address);
    virtual SysResult<> listen(Thread& thread, i32 backlog);
    virtual bool listening() const { return false; }
    /// Of a blocking socket: until it is connected. EINPROGRESS for one that doesn't block.
    virtual Async<> connect(Thread& thread, const SocketAddress& address);
    /// The next connection, as a socket of its own with open flags `flags` (O_NON_BLOCK).
    virtual Async<Ref<Socket>> accept(Thread& thread, u32 flags);
    virtual SysResult<SocketAddress> local_name();
    virtual SysResult<SocketAddress> peer_name();
    /// What is wrong with sending before anybody looks at what is sent with the bytes.
    virtual SysResult<> may_send() { return {}; }
    /// Bytes that were sent. EPIPE is told as such: the caller sends SIGPIPE (but with kMsgNoSignal).
    virtual Async<usize> send(Thread& thread, UserIo&& io, SendExtras&& extras) = 0;
    /// Bytes that were received; 0 at the end. `extras` outlives the operation.
    virtual Async<usize> receive(Thread& thread, UserIo&& io, ReceiveExtras& extras) = 0;
    virtual SysResult<> shutdown(Thread& thread, Shutdown how);
    /// Options of levels that are the family's own, or of SOL_SOCKET when one has changed (`level` SOL_SOCKET, after `options` was set). ENOPROTOOPT.
    virtual SysResult<> set_option(Thread& thread, i32 level, i32 name, std::span<const u8> value);
    /// Appends the option's bytes.
    virtual SysResult<> get_option(Thread& thread, i32 level, i32 name, std::vector<u8>& value);
    /// True: SO_PEEK_OFF can be set.
    virtual bool has_peek_offset() const { return false; }
    /// Bytes that a read would give now, and bytes that are not yet with the peer: FIONREAD, TIOCOUTQ. EINVAL: a listener.
    virtual SysResult<i32> readable_bytes() { return Errno::ENOTTY; }
    virtual SysResult<i32> unsent_bytes() { return Errno::ENOTTY; }
    /// True: receive is at the mark of urgent data.
    virtual bool at_mark() { return false; }
    /// The other end's, for SO_PEERCRED.
    virtual PeerCredentials peer_credentials() const { return {0, ~0u, ~0u}; }

    // read, write: receive and send without flags. A write to a closed stream sends SIGPIPE.
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> write(Thread& thread, UserIo&& io, i64 position) override;
    Async<u64> ioctl(Thread& thread, u32 command, u64 argument) override;

    /// F_SETOWN: `pid` (a group: negative) gets SIGIO, or what F_SETSIG says, if `thread` may send it that.
    void set_owner(const Thread& thread, i32 pid);

  protected:
    /// Why the owner is told: POLL_IN, POLL_HUP.
    static constexpr i32 kDataArrived = 1, kHungUp = 6;
    /// Of a socket with O_ASYNC.
    void tell_owner(i32 reason) {
        if ((flags & O_ASYNC_IO) != 0 && owner != 0) signal_owner(reason);
    }
    bool waits(u32 message_flags) const { return !nonblocking() && (message_flags & kMsgDontWait) == 0; }
    /// Absolute, for wait_on; 0: none. A call that passes it fails with EAGAIN.
    Time receive_deadline(Thread& thread) const;
    Time send_deadline(Thread& thread) const;
    /// Adds when a message has arrived (nanoseconds of CLOCK_REALTIME), if the program has asked for that.
    void tell_time(ReceiveExtras& extras, i64 arrival) const;
    bool tells_time() const { return options.timestamp || options.timestamp_ns; }
    /// What a call gives whose wait with such a deadline has ended so: EAGAIN when it has passed; EINTR (and no restart) where there is one.
    static SysResult<> woken(const SysResult<>& wait, Time deadline);

  private:
    void signal_owner(i32 reason);
    u32 owner_uid_ = 0, owner_euid_ = 0;  ///< who has set the owner
};

/// The socket that `file` is; null: it is none.
inline Socket* socket_of(File& file) {
    return file.kind() == FileKind::socket ? static_cast<Socket*>(&file) : nullptr;
}
/// The socket behind a descriptor. EBADF, ENOTSOCK.
SysResult<Socket*> find_socket(Thread& thread, u64 descriptor);

/// setsockopt and getsockopt for all levels and families: what SOL_SOCKET has is here, the rest is asked of `socket`.
SysResult<> set_socket_option(Thread& thread, Socket& socket, i32 level, i32 name, std::span<const u8> value);
/// Appends the option's bytes; `room` is the length that the program has room for.
SysResult<> get_socket_option(Thread& thread, Socket& socket, i32 level, i32 name, usize room,
                              std::vector<u8>& value);

/// A new socket of one family, without a descriptor. `flags`: O_NON_BLOCK. Errors: EPROTONOSUPPORT, ESOCKTNOSUPPORT, EACCES, ...
SysResult<Ref<Socket>> make_unix_socket(Thread& thread, SocketType type, i32 protocol, u32 flags);
SysResult<Ref<Socket>> make_inet_socket(Thread& thread, u16 family, SocketType type, i32 protocol, u32 flags);
SysResult<Ref<Socket>> make_netlink_socket(Thread& thread, SocketType type, i32 protocol, u32 flags);
/// Two that are connected. EOPNOTSUPP: another family than AF_UNIX.
SysResult<std::pair<Ref<Socket>, Ref<Socket>>> make_unix_pair(Thread& thread, SocketType type, i32 protocol,
                                                              u32 flags);

/// The path of a new socket's file: "socket:[NUMBER]".
Path socket_path(Thread& thread);

/// ioctls about network interfaces (netdevice(7)), of a socket of that family (inet/interface_ioctl.cpp). ENOTTY: it is none.
Async<u64> interface_ioctl(Thread& thread, u16 family, u32 command, u64 argument);

}  // namespace pith::lx
