// SPDX-License-Identifier: MIT
// 9P2000.L on the wire: size[4] type[1] tag[2], then the message's fields, little endian; a text is a length[2] and its bytes. Messages are those of
// the Linux kernel's client (Documentation/filesystems/9p.rst; github.com/chaos/diod/blob/master/protocol.md). A request's answer has its type and one more.
#pragma once

#include <cstring>
#include <span>
#include <string_view>

#include "lib/base/result.hpp"

namespace pith::virtio_9p {

/// T-messages. The answer to each is the next number, or an Rlerror.
enum class Type : u8 {
    error = 6,  ///< only its answer exists: Rlerror
    statfs = 8,
    lopen = 12,
    lcreate = 14,
    symlink = 16,
    mknod = 18,
    readlink = 22,
    getattr = 24,
    setattr = 26,
    readdir = 40,
    fsync = 50,
    link = 70,
    mkdir = 72,
    renameat = 74,
    unlinkat = 76,
    version = 100,
    attach = 104,
    walk = 110,
    read = 116,
    write = 118,
    clunk = 120,
};
constexpr u8 answer_to(Type type) { return static_cast<u8>(static_cast<u8>(type) + 1); }

inline constexpr u32 kHeaderSize = 7;
inline constexpr u32 kReadHeader = kHeaderSize + 4;    ///< of an Rread before its data; an Rlerror is as long
inline constexpr u32 kWriteHeader = kHeaderSize + 16;  ///< of a Twrite before its data
inline constexpr u32 kNoFid = ~u32{0};
inline constexpr u32 kNobody = ~u32{0};  ///< a user or group that isn't to be set
inline constexpr u32 kMostNames = 16;    ///< of one Twalk
inline constexpr u16 kNoTag = 0xffff;    ///< of Tversion

/// What a file is on the host: two with one path are one.
struct Qid {
    u8 type;
    u32 version;
    u64 path;
};

/// Builds a message in a fixed place.
class Writer {
  public:
    Writer(std::span<u8> out, Type type, u16 tag) : out_(out) {
        put(u32{0});
        put(static_cast<u8>(type));
        put(tag);
    }
    template <typename T>
    Writer& put(T value) {
        static_assert(std::is_unsigned_v<T>);
        copy(&value, sizeof(value));
        return *this;
    }
    Writer& text(std::string_view text) {
        put(static_cast<u16>(text.size()));
        copy(text.data(), text.size());
        fits_ = fits_ && text.size() <= 0xffff;
        return *this;
    }
    /// Sets the size, `more` bytes of data that follow elsewhere included. Bytes of what is here; 0: it does not fit.
    u32 finish(u32 more = 0) {
        if (!fits_) return 0;
        const u32 size = static_cast<u32>(used_) + more;
        std::memcpy(out_.data(), &size, sizeof(size));
        return static_cast<u32>(used_);
    }

  private:
    void copy(const void* from, usize size) {
        if (!fits_ || size > out_.size() - used_) {
            fits_ = false;
            return;
        }
        if (size != 0) std::memcpy(out_.data() + used_, from, size);
        used_ += size;
    }
    std::span<u8> out_;
    usize used_ = 0;
    bool fits_ = true;
};

/// Takes a message apart that a peer has written. What isn't there reads as 0, and makes it `bad`. The peer may go on changing it: each value is
/// copied once.
class Reader {
  public:
    Reader() = default;
    explicit Reader(std::span<const u8> in) : in_(in) {}
    template <typename T>
    T get() {
        static_assert(std::is_unsigned_v<T>);
        T value = 0;
        const std::span<const u8> bytes = take(sizeof(T));
        if (bytes.size() == sizeof(T)) std::memcpy(&value, bytes.data(), sizeof(T));
        return value;
    }
    std::string_view text() {
        const std::span<const u8> bytes = take(get<u16>());
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    Qid qid() {
        const u8 type = get<u8>();
        const u32 version = get<u32>();
        return {type, version, get<u64>()};
    }
    std::span<const u8> take(usize size) {
        if (size > in_.size()) {
            bad_ = true;
            in_ = {};
            return {};
        }
        const std::span<const u8> bytes = in_.first(size);
        in_ = in_.subspan(size);
        return bytes;
    }
    usize left() const { return in_.size(); }
    bool bad() const { return bad_; }

  private:
    std::span<const u8> in_;
    bool bad_ = false;
};

}  // namespace pith::virtio_9p
