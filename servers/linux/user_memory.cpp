// SPDX-License-Identifier: MIT
#include "servers/linux/user_memory.hpp"

#include <string.h>

#include <algorithm>

#include "servers/linux/address_space.hpp"
#include "servers/linux/process.hpp"
#include "servers/linux/thread.hpp"

namespace pith::lx {

namespace {

constexpr u64 kMaxTransfer = 0x7fff'f000;
constexpr u64 kMaxVectors = 1024;

Errno fault_in(AddressSpace& space, u64 address, usize size, Access access) {
    const FaultResult result = space.fault(address, access, size);
    if (result == FaultResult::done) return Errno::ok;
    return result == FaultResult::no_memory ? Errno::ENOMEM : Errno::EFAULT;
}

/// Calls work(bytes, length) for each piece in one page.
template <typename Work>
SysResult<> for_pieces(AddressSpace& space, u64 address, usize size, Access access, Work work) {
    while (size > 0) {
        const usize length = std::min<usize>(size, kPageSize - address % kPageSize);
        u8* bytes = space.lookup(address, access);
        if (bytes == nullptr) {
            if (const Errno error = fault_in(space, address, size, access); error != Errno::ok) return error;
            bytes = space.lookup(address, access);
            if (bytes == nullptr) return Errno::EFAULT;
        }
        work(bytes, length);
        address += length;
        size -= length;
    }
    return {};
}

bool user_range(u64 address, u64 size) { return address <= kTopAddress && size <= kTopAddress - address; }

}  // namespace

SysResult<> copy_in(AddressSpace& space, void* to, u64 from, usize size) {
    if (!user_range(from, size)) return Errno::EFAULT;
    auto* out = static_cast<u8*>(to);
    return for_pieces(space, from, size, Access::read, [&](const u8* bytes, usize length) {
        memcpy(out, bytes, length);
        out += length;
    });
}

SysResult<> copy_out(AddressSpace& space, u64 to, const void* from, usize size) {
    if (!user_range(to, size)) return Errno::EFAULT;
    const auto* in = static_cast<const u8*>(from);
    return for_pieces(space, to, size, Access::write, [&](u8* bytes, usize length) {
        memcpy(bytes, in, length);
        in += length;
    });
}

SysResult<> clear_out(AddressSpace& space, u64 to, usize size) {
    if (!user_range(to, size)) return Errno::EFAULT;
    return for_pieces(space, to, size, Access::write,
                      [](u8* bytes, usize length) { memset(bytes, 0, length); });
}

SysResult<> copy_in(Thread& thread, void* to, u64 from, usize size) {
    return copy_in(*thread.process.memory, to, from, size);
}

SysResult<> copy_out(Thread& thread, u64 to, const void* from, usize size) {
    return copy_out(*thread.process.memory, to, from, size);
}

SysResult<std::string> get_string(Thread& thread, u64 from, usize limit, Errno too_long) {
    AddressSpace& space = *thread.process.memory;
    std::string result;
    while (result.size() < limit) {
        const auto piece = PITH_TRY(user_piece(space, from, limit - result.size(), Access::read));
        const void* end = memchr(piece.data(), 0, piece.size());
        const usize length = end != nullptr ? static_cast<usize>(static_cast<const u8*>(end) - piece.data())
                                            : piece.size();
        result.append(reinterpret_cast<const char*>(piece.data()), length);
        if (end != nullptr) return result;
        from += length;
    }
    return too_long;
}

SysResult<std::span<u8>> user_piece(AddressSpace& space, u64 address, usize size, Access access) {
    const usize length = std::min<usize>(size, kPageSize - address % kPageSize);
    if (!user_range(address, length)) return Errno::EFAULT;
    u8* bytes = space.lookup(address, access);
    if (bytes == nullptr) {
        if (const Errno error = fault_in(space, address, std::max<usize>(size, 1), access);
            error != Errno::ok)
            return error;
        bytes = space.lookup(address, access);
        if (bytes == nullptr) return Errno::EFAULT;
    }
    return std::span<u8>(bytes, length);
}

SysResult<UserIo> UserIo::buffer(Thread& thread, u64 address, u64 size) {
    if (static_cast<i64>(size) < 0) return Errno::EINVAL;
    size = std::min(size, kMaxTransfer);
    if (!user_range(address, size)) return Errno::EFAULT;
    UserIo io;
    io.space_ = thread.process.memory.get();
    io.first_ = {address, size};
    io.remaining_ = size;
    return io;
}

SysResult<UserIo> UserIo::vector(Thread& thread, u64 address, u64 count) {
    if (count > kMaxVectors) return Errno::EINVAL;
    UserIo io;
    io.space_ = thread.process.memory.get();
    if (count == 0) return io;
    std::vector<IoVec> all(count);
    PITH_CHECK(copy_in(thread, all.data(), address, count * sizeof(IoVec)));
    u64 total = 0;
    for (IoVec& vec : all) {
        if (static_cast<i64>(vec.length) < 0) return Errno::EINVAL;
        if (!user_range(vec.base, vec.length)) return Errno::EFAULT;
        vec.length = std::min(vec.length, kMaxTransfer - total);
        total += vec.length;
    }
    io.remaining_ = total;
    io.first_ = all.front();
    io.next_ = 1;
    io.rest_ = std::move(all);
    return io;
}

UserIo UserIo::kernel(void* data, usize size) {
    UserIo io;
    io.first_ = {reinterpret_cast<u64>(data), size};
    io.remaining_ = size;
    return io;
}

UserIo UserIo::part(usize size) const {
    UserIo result;
    result.space_ = space_;
    result.first_ = first_;
    result.rest_ = rest_;
    result.next_ = next_;
    result.remaining_ = std::min(size, remaining_);
    return result;
}

void UserIo::advance(usize size) {
    remaining_ -= size;
    done_ += size;
    while (size > 0) {
        const usize here = std::min<usize>(size, first_.length);
        first_.base += here;
        first_.length -= here;
        size -= here;
        if (size > 0 && next_ < rest_.size()) first_ = rest_[next_++];
    }
}

SysResult<std::span<u8>> UserIo::piece(Access access, usize limit) {
    limit = std::min(limit, remaining_);
    while (first_.length == 0 && next_ < rest_.size()) first_ = rest_[next_++];
    limit = std::min<usize>(limit, first_.length);
    if (limit == 0) return std::span<u8>();
    if (space_ == nullptr) return std::span<u8>(reinterpret_cast<u8*>(first_.base), limit);
    return user_piece(*space_, first_.base, limit, access);
}

SysResult<usize> UserIo::put(const void* from, usize size) {
    size = std::min(size, remaining_);
    usize copied = 0;
    while (copied < size) {
        auto to = piece(Access::write, size - copied);
        if (!to.ok()) {
            if (copied > 0) return copied;
            return to.error();
        }
        memcpy(to->data(), static_cast<const u8*>(from) + copied, to->size());
        advance(to->size());
        copied += to->size();
    }
    return copied;
}

SysResult<usize> UserIo::get(void* to, usize size) {
    size = std::min(size, remaining_);
    usize copied = 0;
    while (copied < size) {
        auto from = piece(Access::read, size - copied);
        if (!from.ok()) {
            if (copied > 0) return copied;
            return from.error();
        }
        memcpy(static_cast<u8*>(to) + copied, from->data(), from->size());
        advance(from->size());
        copied += from->size();
    }
    return copied;
}

SysResult<usize> UserIo::put_zeros(usize size) {
    size = std::min(size, remaining_);
    usize copied = 0;
    while (copied < size) {
        auto to = piece(Access::write, size - copied);
        if (!to.ok()) {
            if (copied > 0) return copied;
            return to.error();
        }
        memset(to->data(), 0, to->size());
        advance(to->size());
        copied += to->size();
    }
    return copied;
}

bool Pin::await_ready() {
    result_ = for_pieces(space_, address_, size_, access_, [](u8*, usize) {});
    return true;
}

}  // namespace pith::lx
