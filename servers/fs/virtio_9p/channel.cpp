// SPDX-License-Identifier: MIT
#include "servers/fs/virtio_9p/channel.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace pith::virtio_9p {

void Channel::completed(u32 slot, u32 written) {
    if (slot >= kSlots || !slots_[slot].waiter) return;
    slots_[slot].written = written;
    std::exchange(slots_[slot].waiter, {}).resume();
}

void Channel::cancel() {
    epoch_++;
    for (Slot& slot : slots_)
        if (slot.waiter) std::exchange(slot.waiter, {}).resume();
}

Line::Line(Channel& channel)
    : channel_(channel), slot_(static_cast<u32>(std::countr_one(channel.used_))), epoch_(channel.epoch_) {
    channel_.used_ |= 1u << slot_;
}

Call::Call(Line& line, Type type, u32 size, Data out, Data in)
    : line_(line), type_(type), size_(size), out_(out), in_(in) {
    if (line.cancelled()) error_ = Error::cancelled;
    else if (size == 0) error_ = Error::invalid;
}

bool Call::await_suspend(std::coroutine_handle<> waiter) {
    Channel::Slot& slot = line_.channel_.slots_[line_.slot_];
    slot.waiter = waiter;
    if (line_.channel_.transport_.send(line_.slot_, size_, out_, in_)) return true;
    slot.waiter = {};
    error_ = Error::io;
    return false;
}

Result<Reader> Call::await_resume() {
    if (error_ != Error::ok) return error_;
    if (line_.cancelled()) return Error::cancelled;
    const Channel& channel = line_.channel_;
    const std::span<const u8> place = channel.transport_.reply(line_.slot_);
    const u32 written = channel.slots_[line_.slot_].written;
    const u32 here = in_.length != 0 ? kReadHeader : static_cast<u32>(place.size());
    Reader reader(place.first(std::min(written, here)));
    const u32 size = reader.get<u32>();
    const u8 type = reader.get<u8>();
    const u16 tag = reader.get<u16>();
    const u16 wanted = type_ == Type::version ? kNoTag : static_cast<u16>(line_.slot_);
    if (reader.bad() || size < kHeaderSize || size > written || tag != wanted) return Error::io;
    reader = Reader(reader.take(std::min(size, std::min(written, here)) - kHeaderSize));
    if (type == answer_to(Type::error)) {
        const u32 number = reader.get<u32>();
        return reader.bad() ? Error::io : error_of(number);
    }
    if (type != answer_to(type_)) return Error::io;
    if (in_.length != 0) {
        Reader peek = reader;
        const u32 count = peek.get<u32>();
        if (count > in_.length || size != kReadHeader + u64{count}) return Error::io;
    }
    return reader;
}

Error error_of(u32 number) {
    switch (number) {
        case 2: return Error::not_found;  // ENOENT
        case 1:
        case 13:
        case 30: return Error::access;     // EPERM, EACCES, EROFS
        case 12: return Error::no_memory;  // ENOMEM
        case 16:
        case 23:
        case 24: return Error::busy;    // EBUSY, ENFILE, EMFILE
        case 17: return Error::exists;  // EEXIST
        case 20:
        case 21:
        case 40: return Error::wrong_type;  // ENOTDIR, EISDIR, ELOOP
        case 18:
        case 22:
        case 27:
        case 36: return Error::invalid;  // EXDEV, EINVAL, EFBIG, ENAMETOOLONG
        case 28:
        case 122: return Error::no_space;    // ENOSPC, EDQUOT
        case 31: return Error::no_slot;      // EMLINK
        case 39: return Error::occupied;     // ENOTEMPTY
        case 6:                              // ENXIO: QEMU refuses to touch special files
        case 95: return Error::unsupported;  // EOPNOTSUPP
        case 116: return Error::bad_handle;  // ESTALE
        default: return Error::io;
    }
}

}  // namespace pith::virtio_9p
