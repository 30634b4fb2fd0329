// SPDX-License-Identifier: MIT
// CRC by eight tables (eight bytes a step); escaping by runs of plain bytes.
#include "lib/mux/frame.hpp"

#include <array>
#include <cstring>

namespace pith::mux {
namespace {

using CrcTables = std::array<std::array<u32, 256>, 8>;

constexpr CrcTables make_tables() {
    CrcTables tables{};
    for (u32 i = 0; i < 256; ++i) {
        u32 crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb8'8320u : 0);
        tables[0][i] = crc;
    }
    for (u32 i = 0; i < 256; ++i) {
        for (usize t = 1; t < 8; ++t) {
            u32 previous = tables[t - 1][i];
            tables[t][i] = (previous >> 8) ^ tables[0][previous & 0xff];
        }
    }
    return tables;
}

constexpr CrcTables kTables = make_tables();

constexpr bool special(u8 byte) { return byte == kFlag || byte == kEscape; }

usize escape(std::span<const u8> bytes, u8* out) {
    u8* start = out;
    usize i = 0;
    while (i < bytes.size()) {
        usize run = i;
        while (run < bytes.size() && !special(bytes[run])) ++run;
        memcpy(out, bytes.data() + i, run - i);
        out += run - i;
        if (run < bytes.size()) {
            *out++ = kEscape;
            *out++ = static_cast<u8>(bytes[run] ^ kEscapeXor);
            ++run;
        }
        i = run;
    }
    return static_cast<usize>(out - start);
}

}  // namespace

u32 crc32(std::span<const u8> bytes, u32 seed) {
    u32 crc = ~seed;
    const u8* p = bytes.data();
    usize left = bytes.size();
    for (; left >= 8; left -= 8, p += 8) {
        u32 low = 0;
        u32 high = 0;
        memcpy(&low, p, 4);
        memcpy(&high, p + 4, 4);
        low ^= crc;
        crc = kTables[7][low & 0xff] ^ kTables[6][(low >> 8) & 0xff] ^ kTables[5][(low >> 16) & 0xff] ^
              kTables[4][low >> 24] ^ kTables[3][high & 0xff] ^ kTables[2][(high >> 8) & 0xff] ^
              kTables[1][(high >> 16) & 0xff] ^ kTables[0][high >> 24];
    }
    for (; left > 0; --left, ++p) crc = (crc >> 8) ^ kTables[0][(crc ^ *p) & 0xff];
    return ~crc;
}

usize encode(FrameHeader header, std::span<const u8> payload, std::span<u8> wire) {
    header.length = static_cast<u16>(payload.size());
    header.reserved = 0;
    u8 raw[sizeof(header)];
    memcpy(raw, &header, sizeof(header));
    u32 crc = crc32(payload, crc32(raw));
    u8 tail[kCrcSize];
    memcpy(tail, &crc, sizeof(crc));

    usize n = 0;
    wire[n++] = kFlag;
    n += escape(raw, wire.data() + n);
    n += escape(payload, wire.data() + n);
    n += escape(tail, wire.data() + n);
    wire[n++] = kFlag;
    return n;
}

void Decoder::reset() {
    length_ = 0;
    escaped_ = false;
    skipping_ = true;
}

bool Decoder::finish(Frame& frame) {
    usize length = length_;
    bool broken = escaped_ || skipping_;
    length_ = 0;
    escaped_ = false;
    skipping_ = false;
    if (length == 0 && !broken) return false;  // between two flags
    if (broken || length < sizeof(FrameHeader) + kCrcSize) {
        ++bad_frames_;
        return false;
    }
    memcpy(&frame.header, body_, sizeof(FrameHeader));
    u32 crc = 0;
    memcpy(&crc, body_ + length - kCrcSize, kCrcSize);
    usize payload = length - sizeof(FrameHeader) - kCrcSize;
    if (crc != crc32({body_, length - kCrcSize}) || frame.header.length != payload ||
        frame.header.channel >= Channel::count) {
        ++bad_frames_;
        return false;
    }
    frame.payload = {body_ + sizeof(FrameHeader), payload};
    return true;
}

bool Decoder::next(std::span<const u8>& wire, Frame& frame) {
    usize i = 0;
    while (i < wire.size()) {
        u8 byte = wire[i];
        if (byte == kFlag) {
            ++i;
            if (!finish(frame)) continue;
            wire = wire.subspan(i);
            return true;
        }
        if (skipping_) {
            ++i;
            continue;
        }
        if (byte == kEscape) {
            escaped_ = true;
            ++i;
            continue;
        }
        if (escaped_) {
            escaped_ = false;
            byte ^= kEscapeXor;
            if (length_ == kMaxBody) skipping_ = true;
            else body_[length_++] = byte;
            ++i;
            continue;
        }
        usize run = i + 1;
        while (run < wire.size() && !special(wire[run])) ++run;
        usize count = run - i;
        if (count > kMaxBody - length_) {
            skipping_ = true;  // longer than any frame: garbage up to the next flag
        } else {
            memcpy(body_ + length_, wire.data() + i, count);
            length_ += count;
        }
        i = run;
    }
    wire = {};
    return false;
}

}  // namespace pith::mux
