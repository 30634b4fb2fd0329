// SPDX-License-Identifier: MIT
// Terminal settings as Linux x86-64 lays them out (asm-generic/termbits.h, asm-generic/ioctls.h): what
// TCGETS, TCGETS2 and TIOCGWINSZ copy to a program.
#pragma once

#include "abi/types.hpp"

namespace pith::tty {

/// Indices of Termios::control.
enum : u32 {
    kVintr,
    kVquit,
    kVerase,
    kVkill,
    kVeof,
    kVtime,
    kVmin,
    kVswtc,
    kVstart,
    kVstop,
    kVsusp,
    kVeol,
    kVreprint,
    kVdiscard,
    kVwerase,
    kVlnext,
    kVeol2,
    kControls = 19,
};

/// struct termios2; its first 36 bytes are the kernel's struct termios (TCGETS).
struct Termios {
    u32 input;     ///< kIcrnl ...
    u32 output;    ///< kOpost ...
    u32 hardware;  ///< kCs8 ...
    u32 local;     ///< kIcanon ...
    u8 line;
    u8 control[kControls];
    u32 input_speed;
    u32 output_speed;
};
static_assert(sizeof(Termios) == 44);
inline constexpr usize kOldTermiosSize = 36;

/// struct winsize.
struct WindowSize {
    u16 rows, columns, x_pixels, y_pixels;
    bool operator==(const WindowSize&) const = default;
};
static_assert(sizeof(WindowSize) == 8);

// c_iflag
inline constexpr u32 kIgnbrk = 0000001, kBrkint = 0000002, kIgnpar = 0000004, kParmrk = 0000010,
                     kInpck = 0000020, kIstrip = 0000040, kInlcr = 0000100, kIgncr = 0000200,
                     kIcrnl = 0000400, kIuclc = 0001000, kIxon = 0002000, kIxany = 0004000, kIxoff = 0010000,
                     kImaxbel = 0020000, kIutf8 = 0040000;
// c_oflag
inline constexpr u32 kOpost = 0000001, kOlcuc = 0000002, kOnlcr = 0000004, kOcrnl = 0000010, kOnocr = 0000020,
                     kOnlret = 0000040, kTabdly = 0014000, kXtabs = 0014000;
// c_cflag
inline constexpr u32 kCsize = 0000060, kCs8 = 0000060, kCread = 0000200, kParenb = 0000400, kHupcl = 0002000,
                     kB38400 = 0000017;
// c_lflag
inline constexpr u32 kIsig = 0000001, kIcanon = 0000002, kXcase = 0000004, kEcho = 0000010, kEchoe = 0000020,
                     kEchok = 0000040, kEchonl = 0000100, kNoflsh = 0000200, kTostop = 0000400,
                     kEchoctl = 0001000, kEchoprt = 0002000, kEchoke = 0004000, kFlusho = 0010000,
                     kPendin = 0040000, kIexten = 0100000, kExtproc = 0200000;

inline constexpr u8 kDisabled = 0;  ///< a control character that is off; in the input buffer: VEOF was typed

/// tty_std_termios of Linux.
inline constexpr Termios kDefaultTermios = {
    kIcrnl | kIxon,
    kOpost | kOnlcr,
    kB38400 | kCs8 | kCread | kHupcl,
    kIsig | kIcanon | kEcho | kEchoe | kEchok | kEchoctl | kEchoke | kIexten,
    0,
    {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0},
    38400,
    38400,
};

/// How the ioctls name what they do. TCFLSH; TCXONC; TCSETS, TCSETSW, TCSETSF.
enum class Queue : u32 { input = 0, output = 1, both = 2 };
enum class Flow : u32 { output_off = 0, output_on = 1, input_off = 2, input_on = 3 };
enum class When : u32 { now = 0, drained = 1, drained_and_flushed = 2 };

}  // namespace pith::tty
