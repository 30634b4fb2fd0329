// SPDX-License-Identifier: MIT
// What all families share, and what one does that does not say otherwise: fail as Linux does.
#include "servers/linux/net/socket.hpp"

#include <cstring>

#include "servers/linux/net/options.hpp"
#include "servers/linux/thread.hpp"
#include "servers/linux/vfs/format.hpp"
#include "servers/linux/vfs/ioctl.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

Async<> Socket::bind(Thread&, const SocketAddress&) { return Errno::EOPNOTSUPP; }
SysResult<> Socket::listen(Thread&, i32) { return Errno::EOPNOTSUPP; }
Async<> Socket::connect(Thread&, const SocketAddress&) { return Errno::EOPNOTSUPP; }
Async<Ref<Socket>> Socket::accept(Thread&, u32) { return Errno::EOPNOTSUPP; }
SysResult<SocketAddress> Socket::local_name() { return Errno::EOPNOTSUPP; }
SysResult<SocketAddress> Socket::peer_name() { return Errno::EOPNOTSUPP; }
SysResult<> Socket::shutdown(Thread&, Shutdown) { return Errno::EOPNOTSUPP; }
SysResult<> Socket::set_option(Thread&, i32, i32, std::span<const u8>) { return Errno::EOPNOTSUPP; }
SysResult<> Socket::get_option(Thread&, i32, i32, std::vector<u8>&) { return Errno::EOPNOTSUPP; }

Async<usize> Socket::read(Thread& thread, UserIo&& io, i64) {
    if (io.remaining() == 0) return usize{0};
    return [](Thread& reader, Ref<Socket> self, UserIo to) -> Task<SysResult<usize>> {
        ReceiveExtras extras;
        co_return PITH_AWAIT(self->receive(reader, std::move(to), extras));
    }(thread, Ref<Socket>(this), std::move(io));
}

namespace {

/// A write to a stream that is closed is told by a signal too.
SysResult<usize> signal_if_broken(Thread& thread, SocketType type, const SysResult<usize>& sent) {
    if (sent.error() == Errno::EPIPE && type == SocketType::stream) thread.send(SigInfo::kernel(kSigPipe));
    return sent;
}

}  // namespace

Async<usize> Socket::write(Thread& thread, UserIo&& io, i64) {
    Async<usize> sent = send(thread, std::move(io), {});
    if (sent.ready()) return signal_if_broken(thread, type, sent.take());
    return [](Thread& writer, Ref<Socket> self, Task<SysResult<usize>> task) -> Task<SysResult<usize>> {
        co_return signal_if_broken(writer, self->type, co_await std::move(task));
    }(thread, Ref<Socket>(this), sent.task());
}

Async<u64> Socket::ioctl(Thread& thread, u32 command, u64 argument) {
    i32 answer = 0;
    switch (command) {
        case kFionread: answer = PITH_TRY(readable_bytes()); break;
        case kTiocoutq: answer = PITH_TRY(unsent_bytes()); break;
        case kSiocatmark: answer = at_mark() ? 1 : 0; break;
        case kFiogetown:
        case kSiocgpgrp: answer = owner; break;
        case kFiosetown:
        case kSiocspgrp: set_owner(thread, PITH_TRY(get<i32>(thread, argument))); return u64{0};
        default: return interface_ioctl(thread, family, command, argument);
    }
    PITH_CHECK(put(thread, argument, answer));
    return u64{0};
}

Time Socket::receive_deadline(Thread& thread) const {
    return options.receive_timeout == 0 ? 0 : thread.zone().now() + options.receive_timeout;
}

Time Socket::send_deadline(Thread& thread) const {
    return options.send_timeout == 0 ? 0 : thread.zone().now() + options.send_timeout;
}

void Socket::set_owner(const Thread& thread, i32 pid) {
    owner = pid;
    owner_uid_ = thread.process.credentials.uid;
    owner_euid_ = thread.process.credentials.euid;
}

void Socket::signal_owner(i32 reason) {
    constexpr SigSet kOwnCodes = kSynchronous | sig_bit(kSigChld) | sig_bit(kSigIo);
    constexpr i32 kSiSigIo = -5;
    Zone& zone = inode().file_system().zone;
    for (const auto& [pid, process] : zone.processes) {
        if (process->zombie || (owner > 0 ? pid != owner : process->group != -owner)) continue;
        const Credentials& of = process->credentials;
        const auto one_of = [&](u32 uid) { return uid == of.uid || uid == of.suid; };
        if (owner_euid_ != 0 && !one_of(owner_euid_) && !one_of(owner_uid_)) continue;
        SigInfo info = SigInfo::kernel(kSigIo);
        if (owner_signal != 0) {
            info.signo = owner_signal;
            info.code = (sig_bit(owner_signal) & kOwnCodes) != 0 ? kSiSigIo : reason;
            info.poll = {reason == kHungUp ? kPollHangUp | kPollError : kPollIn | kPollReadNormal, -1};
            process->files->for_each([&](i32 descriptor) {
                if (info.poll.fd < 0 && process->files->find(descriptor) == this) info.poll.fd = descriptor;
            });
        }
        process->send(info);
    }
}

void Socket::tell_time(ReceiveExtras& extras, i64 arrival) const {
    if (!tells_time()) return;
    i64 time[2] = {arrival / 1'000'000'000, arrival % 1'000'000'000};
    if (options.timestamp) time[1] /= 1000;
    SendExtras::Control control{kSolSocket, options.timestamp ? kSoTimestamp : kSoTimestampNs, {}};
    control.data.resize(sizeof time);
    std::memcpy(control.data.data(), time, sizeof time);
    extras.controls.push_back(std::move(control));
}

SysResult<> Socket::woken(const SysResult<>& wait, Time deadline) {
    if (wait.error() == Errno::ETIMEDOUT) return Errno::EAGAIN;
    if (wait.error() == Errno::ERESTARTSYS && deadline != 0) return Errno::EINTR;
    return wait;
}

SysResult<Socket*> find_socket(Thread& thread, u64 descriptor) {
    File* file = PITH_TRY(open_file(thread, descriptor));
    Socket* socket = socket_of(*file);
    if (socket == nullptr) return Errno::ENOTSOCK;
    return socket;
}

namespace {

class SocketInode : public Inode {
  public:
    SocketInode(FileSystem& of, u64 inode_number) : Inode(of, inode_number, S_SOCKET | 0777) {}
};

}  // namespace

Path socket_path(Thread& thread) {
    Vfs& vfs = *thread.zone().vfs;
    auto inode = Ref<SocketInode>::make(vfs.anonymous_file_system(), vfs.next_pipe_number++);
    inode->uid = thread.process.credentials.fsuid;
    inode->gid = thread.process.credentials.fsgid;
    return vfs.anonymous_path(inode, "socket:[" + decimal(inode->number()) + "]");
}

}  // namespace pith::lx
