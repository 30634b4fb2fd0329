// SPDX-License-Identifier: MIT
// The console server: the three streams and the terminal of `./pith`, for the Linux server.
//
// All methods answer at once (but Exit): what would have to wait answers would_block or a count of 0, and the
// Signal of Attach is notified when it is worth another try, or when something that Poll tells has changed.
//
// Resuming: the server keeps the terminal, its input, all accepted output and its client's last numbered
// request with its answer in preserved Memory. Every method may be sent again after peer_died: Write names
// the stream offset of its bytes and skips what it has; a method with an `id` (one more than the last one
// that succeeded; Attach tells where to begin) answers the same again when it is repeated. The others are
// free of effects or idempotent. The Signal is not kept: when the client learns of the server's rebirth
// (kSignalReborn, protocol/ipc.hpp) it calls Attach again. bad_state from any method: Attach first.
#pragma once

#include "protocol/ipc.hpp"

namespace pith {

/// The streams: descriptors 0, 1, 2 where they are no tty, and the terminal.
enum class ConsoleStream : u32 { input = 0, output = 1, error = 2, tty = 3 };
inline constexpr usize kConsoleStreams = 4;

/// Bits of Poll's `ready`.
inline constexpr u32 kConsoleInputReady = 1;   ///< Read of `input` would give bytes or the end
inline constexpr u32 kConsoleOutputReady = 2;  ///< Write of `output` would take bytes
inline constexpr u32 kConsoleErrorReady = 4;   ///< Write of `error` would take bytes
inline constexpr u32
    kConsoleTtyReady = 8;  ///< Read of `tty` would give something (a line, a byte, end of file)
inline constexpr u32 kConsoleTtyPollIn = 16;   ///< what poll(2) tells as POLLIN (regards VMIN)
inline constexpr u32 kConsoleTtyPollOut = 32;  ///< what poll(2) tells as POLLOUT
inline constexpr u32 kConsoleTtyDrained = 64;  ///< all tty output has arrived at the host
inline constexpr u32 kConsoleTtyHungUp = 128;  ///< the terminal is gone for good

/// struct termios2 of Linux, byte for byte (lib/tty/termios.hpp).
struct ConsoleTermios {
    u32 input, output, hardware, local;
    u8 line;
    u8 control[19];
    u32 input_speed, output_speed;
};
static_assert(sizeof(ConsoleTermios) == 44);

struct ConsoleWindow {
    u16 rows, columns, x_pixels, y_pixels;
};

struct Console {
    static constexpr const char* kName = "console";
    static constexpr usize kMaxData = 512;

    /// The caller becomes the one client. Sent along: a Signal (right notify), notified with `bits`. `fresh`:
    /// kFirst at the first Attach of a new client (terminal settings go back to the default, input typed before
    /// stays); kNext if an earlier one died (and what was typed for that one's programs goes too; output that they stopped goes on); 0 after
    /// the server's rebirth. Errors: protocol: no Signal came along.
    struct Attach {
        static constexpr u16 kOpcode = 1;
        static constexpr u64 kFirst = 1, kNext = 2;
        u64 bits;
        u64 fresh;
        struct Reply {
            u32 ttys;    ///< bit n: descriptor n of the command leads to the terminal, else to its stream
            u32 ending;  ///< 1: the run is over, Exit was called already, with the following
            u32 status;
            u32 reason;
            u64 id;                        ///< of the last numbered request
            u64 written[kConsoleStreams];  ///< next offset for Write of each stream
        };
    };
    /// How things stand.
    struct Poll {
        static constexpr u16 kOpcode = 2;
        struct Reply {
            u32 ready;           ///< kConsole...Ready
            u32 tty_input;       ///< bytes that TIOCINQ tells
            u32 tty_output;      ///< bytes that TIOCOUTQ tells
            u32 interrupts;      ///< times VINTR was typed (SIGINT to the foreground group), modulo 2^32
            u32 quits;           ///< VQUIT
            u32 suspends;        ///< VSUSP
            u32 window_changes;  ///< times the window size changed (SIGWINCH)
            u32 hang_ups;        ///< 1: the terminal is gone (SIGHUP)
            ConsoleWindow window;
        };
    };
    /// Appends to `output`, `error` or `tty` (where the line discipline processes it). `offset`: how many
    /// bytes the client wrote to this stream before these. Reply.offset: how many are taken now; less than
    /// offset + length: the rest when notified. Errors: invalid: no such stream, or an offset beyond what was
    /// taken.
    struct Write {
        static constexpr u16 kOpcode = 3;
        u32 stream;  ///< ConsoleStream
        u32 length;  ///< at most kMaxData
        u64 offset;
        u8 data[kMaxData];
        usize payload_size() const { return 16 + (length < kMaxData ? length : kMaxData); }
        struct Reply {
            u64 offset;
        };
    };
    /// Takes bytes from `input` or, as read(2) on a tty would (but for waiting), from `tty`. `count`: how
    /// many the program (still) wants; the reply has at most kMaxData of them. Errors: would_block: nothing
    /// there (the id is not used up); invalid; io: the terminal is hung up and its input is read (EIO or end,
    /// as Linux decides).
    struct Read {
        static constexpr u16 kOpcode = 4;
        u64 id;
        u32 stream;
        u32 count;
        struct Reply {
            u32 length;
            u32 flags;  ///< kEnd: end of file; kMore: the line goes on, call again if `count` was not reached
            u8 data[kMaxData];
            usize payload_size() const { return 8 + (length < kMaxData ? length : kMaxData); }
        };
        static constexpr u32 kEnd = 1;
        static constexpr u32 kMore = 2;
    };
    struct GetTermios {
        static constexpr u16 kOpcode = 5;
        struct Reply {
            ConsoleTermios termios;
            u32 reserved;
        };
    };
    /// TCSETS, TCSETSW, TCSETSF. would_block (not for `now`): output is not drained, try again when notified.
    struct SetTermios {
        static constexpr u16 kOpcode = 6;
        u64 id;
        u32 when;  ///< 0 now, 1 drained, 2 drained, and input flushed
        ConsoleTermios termios;
        struct Reply {};
    };
    /// TCFLSH: 0 input, 1 output (no effect on what is on its way to the host), 2 both.
    struct Flush {
        static constexpr u16 kOpcode = 7;
        u64 id;
        u64 queue;
        struct Reply {};
    };
    /// TCXONC: 0 stop output, 1 restart it, 2 send VSTOP, 3 send VSTART.
    struct Flow {
        static constexpr u16 kOpcode = 8;
        u64 id;
        u64 action;
        struct Reply {};
    };
    /// TIOCSWINSZ. Reply.changed: SIGWINCH is due (Poll counts it too).
    struct SetWindow {
        static constexpr u16 kOpcode = 9;
        ConsoleWindow window;
        struct Reply {
            u64 changed;
        };
    };
    /// The command's first instruction is about to run: the host is told (benchmarks, --timeout messages).
    struct Ready {
        static constexpr u16 kOpcode = 10;
        struct Reply {};
    };
    /// The run is over: `status` (0 to 255) and why (0 exited, 1 poweroff, 2 reboot). Answered when the host
    /// has all output and the status, or has none (no host on the line): then the machine may be ended.
    struct Exit {
        static constexpr u16 kOpcode = 11;
        u32 status;
        u32 reason;
        struct Reply {};
    };
    /// A line of a report on the run, which `./pith` prints on its stderr when all else is out. `index`: how many came before;
    /// one that was taken is not taken again. Errors: would_block: no room now, try again; invalid: an index out of order.
    struct Report {
        static constexpr u16 kOpcode = 12;
        static constexpr usize kMaxText = 200;
        u64 index;
        u64 length;
        char text[kMaxText];
        usize payload_size() const { return 16 + (length < kMaxText ? length : kMaxText); }
        struct Reply {};
    };
    using Methods = MethodList<Attach, Poll, Write, Read, GetTermios, SetTermios, Flush, Flow, SetWindow,
                               Ready, Exit, Report>;
};

}  // namespace pith
