// SPDX-License-Identifier: MIT
// Linux error numbers, and SysResult<T>: a value or one of them. PITH_TRY and PITH_CHECK work on it (it has ok(),
// error(), value()); in a coroutine use PITH_CO_TRY and PITH_CO_CHECK.
#pragma once

#include <errno.h>

#include <string>        // these use the macros below,
#include <system_error>  // so they come first
#include <utility>

#include "abi/error.hpp"
#include "lib/base/result.hpp"

// The names are ours: musl's macros give way.
#undef EPERM
#undef ENOENT
#undef ESRCH
#undef EINTR
#undef EIO
#undef ENXIO
#undef E2BIG
#undef ENOEXEC
#undef EBADF
#undef ECHILD
#undef EAGAIN
#undef ENOMEM
#undef EACCES
#undef EFAULT
#undef ENOTBLK
#undef EBUSY
#undef EEXIST
#undef EXDEV
#undef ENODEV
#undef ENOTDIR
#undef EISDIR
#undef EINVAL
#undef ENFILE
#undef EMFILE
#undef ENOTTY
#undef ETXTBSY
#undef EFBIG
#undef ENOSPC
#undef ESPIPE
#undef EROFS
#undef EMLINK
#undef EPIPE
#undef EDOM
#undef ERANGE
#undef EDEADLK
#undef ENAMETOOLONG
#undef ENOLCK
#undef ENOSYS
#undef ENOTEMPTY
#undef ELOOP
#undef ENOMSG
#undef EIDRM
#undef ECHRNG
#undef EL2NSYNC
#undef EL3HLT
#undef EL3RST
#undef ELNRNG
#undef EUNATCH
#undef ENOCSI
#undef EL2HLT
#undef EBADE
#undef EBADR
#undef EXFULL
#undef ENOANO
#undef EBADRQC
#undef EBADSLT
#undef EBFONT
#undef ENOSTR
#undef ENODATA
#undef ETIME
#undef ENOSR
#undef ENONET
#undef ENOPKG
#undef EREMOTE
#undef ENOLINK
#undef EADV
#undef ESRMNT
#undef ECOMM
#undef EPROTO
#undef EMULTIHOP
#undef EDOTDOT
#undef EBADMSG
#undef EOVERFLOW
#undef ENOTUNIQ
#undef EBADFD
#undef EREMCHG
#undef ELIBACC
#undef ELIBBAD
#undef ELIBSCN
#undef ELIBMAX
#undef ELIBEXEC
#undef EILSEQ
#undef ERESTART
#undef ESTRPIPE
#undef EUSERS
#undef ENOTSOCK
#undef EDESTADDRREQ
#undef EMSGSIZE
#undef EPROTOTYPE
#undef ENOPROTOOPT
#undef EPROTONOSUPPORT
#undef ESOCKTNOSUPPORT
#undef EOPNOTSUPP
#undef EPFNOSUPPORT
#undef EAFNOSUPPORT
#undef EADDRINUSE
#undef EADDRNOTAVAIL
#undef ENETDOWN
#undef ENETUNREACH
#undef ENETRESET
#undef ECONNABORTED
#undef ECONNRESET
#undef ENOBUFS
#undef EISCONN
#undef ENOTCONN
#undef ESHUTDOWN
#undef ETOOMANYREFS
#undef ETIMEDOUT
#undef ECONNREFUSED
#undef EHOSTDOWN
#undef EHOSTUNREACH
#undef EALREADY
#undef EINPROGRESS
#undef ESTALE
#undef EUCLEAN
#undef ENOTNAM
#undef ENAVAIL
#undef EISNAM
#undef EREMOTEIO
#undef EDQUOT
#undef ENOMEDIUM
#undef EMEDIUMTYPE
#undef ECANCELED
#undef ENOKEY
#undef EKEYEXPIRED
#undef EKEYREVOKED
#undef EKEYREJECTED
#undef EOWNERDEAD
#undef ENOTRECOVERABLE
#undef ERFKILL
#undef EHWPOISON

namespace pith::lx {

/// Linux's numbers.
enum class Errno : i32 {
    ok = 0,
    EPERM = 1,              ///< Operation not permitted
    ENOENT = 2,             ///< No such file or directory
    ESRCH = 3,              ///< No such process
    EINTR = 4,              ///< Interrupted system call
    EIO = 5,                ///< I/O error
    ENXIO = 6,              ///< No such device or address
    E2BIG = 7,              ///< Argument list too long
    ENOEXEC = 8,            ///< Exec format error
    EBADF = 9,              ///< Bad file number
    ECHILD = 10,            ///< No child processes
    EAGAIN = 11,            ///< Try again
    ENOMEM = 12,            ///< Out of memory
    EACCES = 13,            ///< Permission denied
    EFAULT = 14,            ///< Bad address
    ENOTBLK = 15,           ///< Block device required
    EBUSY = 16,             ///< Device or resource busy
    EEXIST = 17,            ///< File exists
    EXDEV = 18,             ///< Cross-device link
    ENODEV = 19,            ///< No such device
    ENOTDIR = 20,           ///< Not a directory
    EISDIR = 21,            ///< Is a directory
    EINVAL = 22,            ///< Invalid argument
    ENFILE = 23,            ///< File table overflow
    EMFILE = 24,            ///< Too many open files
    ENOTTY = 25,            ///< Not a typewriter
    ETXTBSY = 26,           ///< Text file busy
    EFBIG = 27,             ///< File too large
    ENOSPC = 28,            ///< No space left on device
    ESPIPE = 29,            ///< Illegal seek
    EROFS = 30,             ///< Read-only file system
    EMLINK = 31,            ///< Too many links
    EPIPE = 32,             ///< Broken pipe
    EDOM = 33,              ///< Math argument out of domain of func
    ERANGE = 34,            ///< Math result not representable
    EDEADLK = 35,           ///< Resource deadlock would occur
    ENAMETOOLONG = 36,      ///< File name too long
    ENOLCK = 37,            ///< No record locks available
    ENOSYS = 38,            ///< Invalid system call number
    ENOTEMPTY = 39,         ///< Directory not empty
    ELOOP = 40,             ///< Too many symbolic links encountered
    ENOMSG = 42,            ///< No message of desired type
    EIDRM = 43,             ///< Identifier removed
    ECHRNG = 44,            ///< Channel number out of range
    EL2NSYNC = 45,          ///< Level 2 not synchronized
    EL3HLT = 46,            ///< Level 3 halted
    EL3RST = 47,            ///< Level 3 reset
    ELNRNG = 48,            ///< Link number out of range
    EUNATCH = 49,           ///< Protocol driver not attached
    ENOCSI = 50,            ///< No CSI structure available
    EL2HLT = 51,            ///< Level 2 halted
    EBADE = 52,             ///< Invalid exchange
    EBADR = 53,             ///< Invalid request descriptor
    EXFULL = 54,            ///< Exchange full
    ENOANO = 55,            ///< No anode
    EBADRQC = 56,           ///< Invalid request code
    EBADSLT = 57,           ///< Invalid slot
    EBFONT = 59,            ///< Bad font file format
    ENOSTR = 60,            ///< Device not a stream
    ENODATA = 61,           ///< No data available
    ETIME = 62,             ///< Timer expired
    ENOSR = 63,             ///< Out of streams resources
    ENONET = 64,            ///< Machine is not on the network
    ENOPKG = 65,            ///< Package not installed
    EREMOTE = 66,           ///< Object is remote
    ENOLINK = 67,           ///< Link has been severed
    EADV = 68,              ///< Advertise error
    ESRMNT = 69,            ///< Srmount error
    ECOMM = 70,             ///< Communication error on send
    EPROTO = 71,            ///< Protocol error
    EMULTIHOP = 72,         ///< Multihop attempted
    EDOTDOT = 73,           ///< RFS specific error
    EBADMSG = 74,           ///< Not a data message
    EOVERFLOW = 75,         ///< Value too large for defined data type
    ENOTUNIQ = 76,          ///< Name not unique on network
    EBADFD = 77,            ///< File descriptor in bad state
    EREMCHG = 78,           ///< Remote address changed
    ELIBACC = 79,           ///< Can not access a needed shared library
    ELIBBAD = 80,           ///< Accessing a corrupted shared library
    ELIBSCN = 81,           ///< .lib section in a.out corrupted
    ELIBMAX = 82,           ///< Attempting to link in too many shared libraries
    ELIBEXEC = 83,          ///< Cannot exec a shared library directly
    EILSEQ = 84,            ///< Illegal byte sequence
    ERESTART = 85,          ///< Interrupted system call should be restarted
    ESTRPIPE = 86,          ///< Streams pipe error
    EUSERS = 87,            ///< Too many users
    ENOTSOCK = 88,          ///< Socket operation on non-socket
    EDESTADDRREQ = 89,      ///< Destination address required
    EMSGSIZE = 90,          ///< Message too long
    EPROTOTYPE = 91,        ///< Protocol wrong type for socket
    ENOPROTOOPT = 92,       ///< Protocol not available
    EPROTONOSUPPORT = 93,   ///< Protocol not supported
    ESOCKTNOSUPPORT = 94,   ///< Socket type not supported
    EOPNOTSUPP = 95,        ///< Operation not supported on transport endpoint
    EPFNOSUPPORT = 96,      ///< Protocol family not supported
    EAFNOSUPPORT = 97,      ///< Address family not supported by protocol
    EADDRINUSE = 98,        ///< Address already in use
    EADDRNOTAVAIL = 99,     ///< Cannot assign requested address
    ENETDOWN = 100,         ///< Network is down
    ENETUNREACH = 101,      ///< Network is unreachable
    ENETRESET = 102,        ///< Network dropped connection because of reset
    ECONNABORTED = 103,     ///< Software caused connection abort
    ECONNRESET = 104,       ///< Connection reset by peer
    ENOBUFS = 105,          ///< No buffer space available
    EISCONN = 106,          ///< Transport endpoint is already connected
    ENOTCONN = 107,         ///< Transport endpoint is not connected
    ESHUTDOWN = 108,        ///< Cannot send after transport endpoint shutdown
    ETOOMANYREFS = 109,     ///< Too many references: cannot splice
    ETIMEDOUT = 110,        ///< Connection timed out
    ECONNREFUSED = 111,     ///< Connection refused
    EHOSTDOWN = 112,        ///< Host is down
    EHOSTUNREACH = 113,     ///< No route to host
    EALREADY = 114,         ///< Operation already in progress
    EINPROGRESS = 115,      ///< Operation now in progress
    ESTALE = 116,           ///< Stale file handle
    EUCLEAN = 117,          ///< Structure needs cleaning
    ENOTNAM = 118,          ///< Not a XENIX named type file
    ENAVAIL = 119,          ///< No XENIX semaphores available
    EISNAM = 120,           ///< Is a named type file
    EREMOTEIO = 121,        ///< Remote I/O error
    EDQUOT = 122,           ///< Quota exceeded
    ENOMEDIUM = 123,        ///< No medium found
    EMEDIUMTYPE = 124,      ///< Wrong medium type
    ECANCELED = 125,        ///< Operation Canceled
    ENOKEY = 126,           ///< Required key not available
    EKEYEXPIRED = 127,      ///< Key has expired
    EKEYREVOKED = 128,      ///< Key has been revoked
    EKEYREJECTED = 129,     ///< Key was rejected by service
    EOWNERDEAD = 130,       ///< Owner died
    ENOTRECOVERABLE = 131,  ///< State not recoverable
    ERFKILL = 132,          ///< Operation not possible due to RF-kill
    EHWPOISON = 133,        ///< Memory page has hardware error
    // Internal: how an interrupted call ends; never seen by programs.
    ERESTARTSYS = 512,            ///< again if the handler has SA_RESTART, else EINTR
    ERESTARTNOINTR = 513,         ///< always again
    ERESTARTNOHAND = 514,         ///< again if no handler ran, else EINTR
    ERESTART_RESTARTBLOCK = 516,  ///< as ERESTARTNOHAND, with what is left of the time
};

/// What a program sees of an error of ours.
constexpr Errno to_errno(Error error) {
    switch (error) {
        case Error::ok: return Errno::ok;
        case Error::invalid: return Errno::EINVAL;
        case Error::no_memory: return Errno::ENOMEM;
        case Error::no_slot: return Errno::ENOMEM;
        case Error::not_found: return Errno::ENOENT;
        case Error::timed_out: return Errno::ETIMEDOUT;
        case Error::would_block: return Errno::EAGAIN;
        case Error::busy: return Errno::EBUSY;
        case Error::no_space: return Errno::ENOSPC;
        case Error::exists: return Errno::EEXIST;
        case Error::access: return Errno::EACCES;
        case Error::no_right: return Errno::EPERM;
        case Error::write_execute: return Errno::EACCES;
        case Error::unsupported: return Errno::EOPNOTSUPP;
        case Error::cancelled: return Errno::EINTR;
        default: return Errno::EIO;
    }
}

template <typename T = void>
class [[nodiscard]] SysResult {
  public:
    using Value = T;
    constexpr SysResult(Errno error) : error_(error) {}  // NOLINT(google-explicit-constructor)
    constexpr explicit SysResult(Error error) : error_(to_errno(error)) {}
    constexpr SysResult(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
    constexpr bool ok() const { return error_ == Errno::ok; }
    constexpr explicit operator bool() const { return ok(); }
    constexpr Errno error() const { return error_; }
    constexpr T& value() & { return value_; }
    constexpr const T& value() const& { return value_; }
    constexpr T&& value() && { return std::move(value_); }
    constexpr T& operator*() & { return value_; }
    constexpr const T& operator*() const& { return value_; }
    constexpr T&& operator*() && { return std::move(value_); }
    constexpr T* operator->() { return &value_; }
    constexpr const T* operator->() const { return &value_; }
    constexpr T value_or(T other) && { return ok() ? std::move(value_) : std::move(other); }

  private:
    Errno error_ = Errno::ok;
    T value_{};
};

template <>
class [[nodiscard]] SysResult<void> {
  public:
    constexpr SysResult() = default;
    constexpr SysResult(Errno error) : error_(error) {}  // NOLINT(google-explicit-constructor)
    constexpr explicit SysResult(Error error) : error_(to_errno(error)) {}
    constexpr bool ok() const { return error_ == Errno::ok; }
    constexpr explicit operator bool() const { return ok(); }
    constexpr Errno error() const { return error_; }
    constexpr void value() const {}

  private:
    Errno error_ = Errno::ok;
};

}  // namespace pith::lx

/// In a coroutine that returns a SysResult: the value, or co_return its error.
#define PITH_CO_TRY(...)                                        \
    ({                                                          \
        auto pith_result_ = (__VA_ARGS__);                      \
        if (!pith_result_.ok()) co_return pith_result_.error(); \
        std::move(pith_result_).value();                        \
    })
#define PITH_CO_CHECK(...)                                                                         \
    do {                                                                                           \
        if (auto pith_result_ = (__VA_ARGS__); !pith_result_.ok()) co_return pith_result_.error(); \
    } while (false)
