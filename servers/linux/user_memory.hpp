// SPDX-License-Identifier: MIT
// Access to the memory of programs. A user address is never dereferenced: it is looked up in the AddressSpace's own
// tables, and the bytes are copied through the server's mapping of the frame. Pages that are not there are faulted
// in (copy-on-write is broken for writing) as the program's own access would; EFAULT if that is a fault.
// All of these act at once: the sources of pages that exist hold them in memory. Code that may one day suspend for a
// page does `co_await pin(...)` first, and then copies.
#pragma once

#include <coroutine>
#include <span>
#include <string>
#include <vector>

#include "servers/linux/errno.hpp"

namespace pith::lx {

class AddressSpace;
class Thread;

enum class Access : u8 { read = 1, write = 2, execute = 4 };

/// Copies. EFAULT may come after some bytes were copied.
SysResult<> copy_in(AddressSpace& space, void* to, u64 from, usize size);
SysResult<> copy_out(AddressSpace& space, u64 to, const void* from, usize size);
SysResult<> clear_out(AddressSpace& space, u64 to, usize size);
SysResult<> copy_in(Thread& thread, void* to, u64 from, usize size);
SysResult<> copy_out(Thread& thread, u64 to, const void* from, usize size);

template <typename T>
SysResult<T> get(Thread& thread, u64 from) {
    T value;
    PITH_CHECK(copy_in(thread, &value, from, sizeof value));
    return value;
}
template <typename T>
SysResult<> put(Thread& thread, u64 to, const T& value) {
    return copy_out(thread, to, &value, sizeof value);
}

/// A NUL-terminated string of less than `limit` bytes: longer gives `too_long`.
SysResult<std::string> get_string(Thread& thread, u64 from, usize limit,
                                  Errno too_long = Errno::ENAMETOOLONG);
/// A path name: get_string with PATH_MAX. An empty one is for the caller to judge.
inline SysResult<std::string> get_path(Thread& thread, u64 from) { return get_string(thread, from, 4096); }

/// The bytes at `address` up to the end of its page and at most `size`, ready for `access`: for code that works on
/// pieces in place. Valid until anything is mapped, unmapped or suspended.
SysResult<std::span<u8>> user_piece(AddressSpace& space, u64 address, usize size, Access access);

struct IoVec {
    u64 base;
    u64 length;
};

/// Where a read puts and a write gets its bytes: a cursor over an iovec array, or over server memory (for splice,
/// sendfile, exec). Small and copyable only by move; the array is copied in when it is made.
class UserIo {
  public:
    /// One buffer. EFAULT if it is not in the user's half; EINVAL if longer than Linux allows is cut instead.
    static SysResult<UserIo> buffer(Thread& thread, u64 address, u64 size);
    /// readv and the like: `count` struct iovec at `address`. EINVAL: more than 1024, or a negative length.
    static SysResult<UserIo> vector(Thread& thread, u64 address, u64 count);
    static UserIo kernel(void* data, usize size);

    UserIo(UserIo&&) = default;
    UserIo& operator=(UserIo&&) = default;
    UserIo() = default;

    usize remaining() const { return remaining_; }
    usize done() const { return done_; }
    /// Copies at most `size` bytes to the user, and moves on. Returns how many; EFAULT only if none.
    SysResult<usize> put(const void* from, usize size);
    /// The same from the user.
    SysResult<usize> get(void* to, usize size);
    SysResult<usize> put_zeros(usize size);
    /// Cuts what remains to at most `size`.
    void limit(usize size) { remaining_ = remaining_ < size ? remaining_ : size; }
    /// A cursor of its own over the next `size` bytes at most; this one is where it was.
    UserIo part(usize size) const;
    /// Skips, without a copy.
    void advance(usize size);
    /// The next piece in one page, ready for `access`; then advance() by what was used of it.
    SysResult<std::span<u8>> piece(Access access, usize limit = ~usize{0});

  private:
    AddressSpace* space_ = nullptr;  ///< null: server memory
    IoVec first_{};                  ///< the current piece
    std::vector<IoVec> rest_;        ///< behind it, from next_
    usize next_ = 0;
    usize remaining_ = 0;
    usize done_ = 0;
};

/// Makes sure that [address, address + size) can be copied without suspending: `PITH_CO_CHECK(co_await pin(...))`.
class Pin {
  public:
    Pin(AddressSpace& space, u64 address, usize size, Access access)
        : space_(space), address_(address), size_(size), access_(access) {}
    bool await_ready();
    void await_suspend(std::coroutine_handle<>) {}
    SysResult<> await_resume() { return result_; }

  private:
    AddressSpace& space_;
    u64 address_;
    usize size_;
    Access access_;
    SysResult<> result_;
};
inline Pin pin(AddressSpace& space, u64 address, usize size, Access access) {
    return Pin(space, address, size, access);
}

}  // namespace pith::lx
