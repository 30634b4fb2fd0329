// SPDX-License-Identifier: MIT
// The protocol between `./pith` on the host and the guest's console server, over one serial line.
//
// Frames: kFlag, body, kFlag (one flag may end a frame and begin the next). In the body kFlag and kEscape are
// sent as kEscape, byte ^ kEscapeXor. Body: FrameHeader, payload, CRC-32 (IEEE, little endian) of both.
// Each channel is a stream of bytes in each direction, numbered from 0; the end of a stream counts as one
// byte. data says at which offset its payload starts. A receiver takes what continues its stream, drops the
// rest, and answers ack (all before this offset has been taken; so many more would be) or, once for each gap,
// resend. A sender keeps what is not acknowledged, never sends beyond the peer's window, and goes back to the
// acknowledged offset after a resend, a hello, or kResendTime without progress. The host sends nothing before
// the first hello. A guest whose console or serial driver was reborn says hello again, with the same epoch;
// the host answers with its own offsets. A new epoch is a new boot: both start all streams at 0.
#pragma once

#include "abi/types.hpp"

namespace pith::mux {

inline constexpr u8 kFlag = 0x7e;
inline constexpr u8 kEscape = 0x7d;
inline constexpr u8 kEscapeXor = 0x20;
inline constexpr u32 kVersion = 1;
inline constexpr usize kMaxPayload = 1024;

enum class Channel : u8 {
    control = 0,  ///< both ways: records, see ControlHeader
    input = 1,    ///< host to guest: descriptor 0 of the command, where that is no tty
    output = 2,   ///< guest to host: descriptor 1 of the command, where that is no tty
    error = 3,    ///< guest to host: descriptor 2 of the command, where that is no tty
    tty = 4,      ///< both ways: the terminal. Its end, from the host: the terminal is gone (hang up)
    log = 5,      ///< guest to host: the system log, text lines
    count = 6,
};
inline constexpr usize kChannels = static_cast<usize>(Channel::count);

enum class FrameType : u8 {
    data = 1,    ///< sequence = offset of the payload's first byte. Empty: a probe, answered by ack
    end = 2,     ///< sequence = offset of the end; no payload. Acknowledged as offset + 1
    ack = 3,     ///< sequence = all before it has been taken; payload: AckPayload
    resend = 4,  ///< as ack, and something after it was lost: go back
    hello =
        5,  ///< sequence = epoch, of an answer to offsets that contradict it kNoEpoch; payload: HelloPayload
};

/// Little endian, as all of this protocol.
struct FrameHeader {
    Channel channel;
    FrameType type;
    u16 length;  ///< bytes of the payload
    u32 reserved;
    u64 sequence;
};
static_assert(sizeof(FrameHeader) == 16);

inline constexpr usize kCrcSize = 4;
inline constexpr usize kMaxBody = sizeof(FrameHeader) + kMaxPayload + kCrcSize;
inline constexpr usize kMaxWireFrame = 2 * kMaxBody + 2;  ///< every byte escaped

struct AckPayload {
    u32 window;  ///< bytes that the receiver would take beyond the acknowledged offset
};

enum : u32 {
    kHelloAnswer = 1,  ///< this is the answer to a hello; it is not answered
};

inline constexpr u64 kNoEpoch = 0;  ///< no guest chooses it

struct HelloPayload {
    u32 version;
    u32 flags;
    u64 token;  ///< chosen by the guest, another for each loss of the wire; the answer has the same
    u64 received[kChannels];  ///< as an ack of each channel
    u32 window[kChannels];
};
static_assert(sizeof(HelloPayload) == 16 + 12 * kChannels);

inline constexpr u64 kResendTime = 2'000'000'000;  ///< nanoseconds without progress
inline constexpr u64 kAckEvery = 4096;             ///< bytes after which a receiver acknowledges at once
inline constexpr u64 kAckTime = 5'000'000;      ///< nanoseconds after which it acknowledges whatever it has
inline constexpr u64 kHelloTime = 500'000'000;  ///< between hellos that are not answered

/// A record on the control channel: this header, then `length` bytes, at most kMaxControl.
enum class ControlKind : u16 {
    window_size = 1,  ///< host to guest: WindowSize. The last one counts
    exit_status = 2,  ///< guest to host: ExitStatus. All streams are complete before it is sent
    crash_line = 3,   ///< guest to host: text without a newline; goes to stderr as one line
    ready = 4,        ///< guest to host: Ready; the command's first instruction is about to run
    report_line = 5,  ///< guest to host: text without a newline; goes to stderr at the end of the run
};
struct ControlHeader {
    ControlKind kind;
    u16 length;
};
static_assert(sizeof(ControlHeader) == 4);
inline constexpr usize kMaxControl = 256;

struct WindowSize {
    u16 rows, columns, x_pixels, y_pixels;
};

struct Ready {
    u64 ticks;  ///< of the TSC since the kernel's entry; with --icount these are instructions
};

enum class ExitReason : u32 { exited = 0, poweroff = 1, reboot = 2, panic = 3 };
struct ExitStatus {
    u32 status;  ///< 0 to 255, what `./pith` exits with
    ExitReason reason;
};

}  // namespace pith::mux
