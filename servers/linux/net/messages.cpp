// SPDX-License-Identifier: MIT
#include "servers/linux/net/messages.hpp"

#include <algorithm>
#include <cstring>

#include "servers/linux/heap_guard.hpp"
#include "servers/linux/net/options.hpp"
#include "servers/linux/vfs/syscall/handler.hpp"

namespace pith::lx {

namespace {

/// struct cmsghdr.
struct ControlHeader {
    u64 length;  ///< with this header
    i32 level, type;
};
static_assert(sizeof(ControlHeader) == 16);

constexpr usize kMostControl = 131072;  ///< bytes of all control messages
constexpr u64 kCapSetGid = 1 << 6, kCapSetUid = 1 << 7, kCapSysAdmin = 1 << 21;

constexpr usize aligned(usize size) { return (size + 7) & ~usize{7}; }

SysResult<> add_rights(Thread& thread, SendExtras& extras, std::span<const u8> data) {
    const usize count = data.size() / sizeof(i32);
    if (extras.rights.size() + count > kMostRights) return Errno::EINVAL;
    for (usize i = 0; i < count; ++i) {
        i32 descriptor;
        std::memcpy(&descriptor, data.data() + i * sizeof descriptor, sizeof descriptor);
        extras.rights.push_back(PITH_TRY(thread.process.files->get(descriptor)));
    }
    return {};
}

/// A program may claim to be itself, and what it has the capability to be.
SysResult<> set_credentials(Thread& thread, SendExtras& extras, std::span<const u8> data) {
    PeerCredentials claimed;
    if (data.size() != sizeof claimed) return Errno::EINVAL;
    std::memcpy(&claimed, data.data(), sizeof claimed);
    const Credentials& own = thread.process.credentials;
    const auto may = [&](u64 capability) { return (own.effective & capability) != 0; };
    if (claimed.pid != thread.process.pid && !may(kCapSysAdmin)) return Errno::EPERM;
    if (claimed.uid != own.uid && claimed.uid != own.euid && claimed.uid != own.suid && !may(kCapSetUid))
        return Errno::EPERM;
    if (claimed.gid != own.gid && claimed.gid != own.egid && claimed.gid != own.sgid && !may(kCapSetGid))
        return Errno::EPERM;
    if (claimed.pid != thread.process.pid && thread.zone().find_process(claimed.pid) == nullptr)
        return Errno::ESRCH;
    extras.credentials = claimed;
    return {};
}

SysResult<> add_control(Thread& thread, const Socket& socket, SendExtras& extras, const ControlHeader& header,
                        std::span<const u8> data) {
    const bool local = socket.family == AF_UNIX_ || socket.family == AF_NETLINK_;
    if (header.level == kSolSocket && (header.type == kScmRights || header.type == kScmCredentials)) {
        if (!local) return {};
        if (header.type == kScmCredentials) return set_credentials(thread, extras, data);
        return socket.family == AF_UNIX_ ? add_rights(thread, extras, data) : Errno::EINVAL;
    }
    if (local) return header.level == kSolSocket ? Errno::EINVAL : SysResult<>();
    extras.controls.push_back({header.level, header.type, {data.begin(), data.end()}});
    return {};
}

SysResult<> get_controls(Thread& thread, Socket& socket, SendExtras& extras, u64 address, u64 length) {
    if (length > kMostControl || !heap_room(length)) return Errno::ENOBUFS;
    std::vector<u8> bytes(length);
    PITH_CHECK(copy_in(thread, bytes.data(), address, length));
    PITH_CHECK(socket.may_send());
    usize at = 0;
    while (length - at >= sizeof(ControlHeader)) {
        ControlHeader header;
        std::memcpy(&header, bytes.data() + at, sizeof header);
        if (header.length < sizeof header || header.length > length - at) return Errno::EINVAL;
        const std::span<const u8> data(bytes.data() + at + sizeof header, header.length - sizeof header);
        PITH_CHECK(add_control(thread, socket, extras, header, data));
        at += std::min<usize>(aligned(header.length), length - at);
    }
    return {};
}

SysResult<MessageHeader> get_header(Thread& thread, u64 address) {
    auto header = PITH_TRY(get<MessageHeader>(thread, address));
    if (header.name == 0) header.name_length = 0;
    if (header.name_length < 0) return Errno::EINVAL;
    header.name_length = std::min(header.name_length, static_cast<i32>(SocketAddress::kMaxSize));
    if (header.vector_count > kMaxIoVectors) return Errno::EMSGSIZE;
    return header;
}

}  // namespace

SysResult<Outgoing> get_outgoing(Thread& thread, Socket& socket, u64 header_address, u32 flags) {
    const MessageHeader header = PITH_TRY(get_header(thread, header_address));
    Outgoing result;
    result.extras.flags = flags;
    if (header.name_length != 0)
        result.extras.to = PITH_TRY(
            SocketAddress::get(thread, header.name, static_cast<u64>(header.name_length)));
    result.io = PITH_TRY(UserIo::vector(thread, header.vectors, header.vector_count));
    if (header.control_length != 0)
        PITH_CHECK(get_controls(thread, socket, result.extras, header.control, header.control_length));
    return result;
}

SysResult<Incoming> get_incoming(Thread& thread, u64 header_address) {
    Incoming result;
    result.header = PITH_TRY(get_header(thread, header_address));
    result.io = PITH_TRY(UserIo::vector(thread, result.header.vectors, result.header.vector_count));
    return result;
}

namespace {

/// Puts control messages where the program has room for them.
class ControlWriter {
  public:
    ControlWriter(Thread& thread, const MessageHeader& header)
        : thread_(thread), at_(header.control), room_(header.control == 0 ? 0 : header.control_length) {}
    u64 end() const { return at_; }
    bool truncated() const { return truncated_; }
    /// Bytes of data that one more message can have.
    usize room() const { return room_ < sizeof(ControlHeader) ? 0 : room_ - sizeof(ControlHeader); }
    void truncate() { truncated_ = true; }

    SysResult<> put(i32 level, i32 type, std::span<const u8> data) {
        if (room_ < sizeof(ControlHeader)) {
            truncated_ = true;
            return {};
        }
        const usize fits = std::min(data.size(), room());
        if (fits < data.size()) truncated_ = true;
        const ControlHeader header{sizeof header + fits, level, type};
        PITH_CHECK(lx::put(thread_, at_, header));
        PITH_CHECK(copy_out(thread_, at_ + sizeof header, data.data(), fits));
        const usize size = std::min(aligned(sizeof header + data.size()), room_);
        at_ += size;
        room_ -= size;
        return {};
    }

  private:
    Thread& thread_;
    u64 at_;
    usize room_;
    bool truncated_ = false;
};

std::span<const u8> bytes_of(const void* from, usize size) { return {static_cast<const u8*>(from), size}; }

/// Installs as many descriptors as there is room for.
SysResult<> put_rights(Thread& thread, ControlWriter& writer, ReceiveExtras& extras) {
    const usize most = std::min(writer.room() / sizeof(i32), extras.rights.size());
    std::vector<i32> numbers;
    while (numbers.size() < most) {
        const SysResult<i32> number = thread.process.files->add(
            extras.rights[numbers.size()], (extras.flags & kMsgCloseOnExec) != 0, descriptor_limit(thread));
        if (!number.ok()) break;
        numbers.push_back(number.value());
    }
    if (numbers.size() < extras.rights.size()) writer.truncate();
    extras.rights.clear();
    if (numbers.empty()) return {};
    const SysResult<> told = writer.put(kSolSocket, kScmRights,
                                        bytes_of(numbers.data(), numbers.size() * sizeof(i32)));
    if (told.ok()) return {};
    for (const i32 number : numbers) static_cast<void>(thread.process.files->close(number));
    return told;
}

}  // namespace

SysResult<> put_incoming(Thread& thread, const Socket& socket, u64 header_address,
                         const MessageHeader& header, ReceiveExtras& extras) {
    ControlWriter writer(thread, header);
    for (const SendExtras::Control& control : extras.controls)
        PITH_CHECK(writer.put(control.level, control.type, control.data));
    if (socket.options.pass_credentials && extras.credentials)
        PITH_CHECK(writer.put(kSolSocket, kScmCredentials,
                              bytes_of(&*extras.credentials, sizeof *extras.credentials)));
    if (!extras.rights.empty()) PITH_CHECK(put_rights(thread, writer, extras));
    if (writer.truncated()) extras.result |= kMsgControlTruncated;
    constexpr u64 kNameLengthAt = 8, kControlLengthAt = 40, kFlagsAt = 48;
    static_assert(offsetof(MessageHeader, name_length) == kNameLengthAt &&
                  offsetof(MessageHeader, control_length) == kControlLengthAt &&
                  offsetof(MessageHeader, flags) == kFlagsAt);
    if (header.name != 0) PITH_CHECK(extras.from.put(thread, header.name, header_address + kNameLengthAt));
    PITH_CHECK(put(thread, header_address + kFlagsAt, extras.result | (extras.flags & kMsgCloseOnExec)));
    return put(thread, header_address + kControlLengthAt,
               header.control == 0 ? u64{0} : writer.end() - header.control);
}

}  // namespace pith::lx
