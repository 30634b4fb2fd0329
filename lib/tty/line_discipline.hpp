// SPDX-License-Identifier: MIT
// The Linux terminal line discipline (N_TTY, drivers/tty/n_tty.c is the reference) as a pure function of its
// state: no allocation, no locks, no time, no system calls. The console server uses it for the system
// console, the Linux server for ptys. All bytes that go to the terminal's screen (echo, and processed output)
// go to an Output.
//
// TtyState is plain data: copy it to preserve it. LineDiscipline works on one that its owner keeps. Who may
// read, job control (TOSTOP, SIGTTIN), waiting, VTIME, hang-up and packet mode are the owner's business.
#pragma once

#include <span>

#include "lib/tty/termios.hpp"

namespace pith::tty {

inline constexpr u32
    kBufferSize = 4096;  ///< N_TTY_BUF_SIZE: a canonical line has at most 4095 bytes and its end

/// What a terminal is, between two calls.
struct TtyState {
    Termios termios;
    WindowSize window;
    u32 events;        ///< Event bits that were not taken yet
    u32 head;          ///< of `input`: next to write; these four count without wrapping at the buffer's size
    u32 canon_head;    ///< end of the last complete line
    u32 tail;          ///< next to read
    u32 column;        ///< of the cursor
    u32 canon_column;  ///< where the line being typed began
    u32 echo_head, echo_tail;
    u8 literal_next;                ///< VLNEXT was typed
    u8 erasing;                     ///< inside \...\ of ECHOPRT
    u8 stopped;                     ///< by VSTOP
    u8 flow_stopped;                ///< by TCOOFF
    u8 line_ends[kBufferSize / 8];  ///< bit set: this byte of `input` ends a line
    u8 input[kBufferSize];
    u8 echo[kBufferSize];  ///< operations that wait for room in an Output
};

/// A fresh terminal.
void reset(TtyState& state, const Termios& termios = kDefaultTermios, WindowSize window = {});

/// Where bytes for the screen go: a buffer of the owner's, filled from its start.
class Output {
  public:
    explicit Output(std::span<u8> buffer) : buffer_(buffer) {}
    usize room() const { return buffer_.size() - used_; }
    std::span<const u8> bytes() const { return buffer_.first(used_); }
    void put(u8 byte) { buffer_[used_++] = byte; }
    void put(std::span<const u8> bytes);
    /// Takes back what was put: a signal flushes output.
    void discard() { used_ = 0; }

  private:
    std::span<u8> buffer_;
    usize used_ = 0;
};

class LineDiscipline {
  public:
    /// What the owner has to act upon.
    enum Event : u32 {
        kInterrupt = 1,    ///< SIGINT to the foreground group
        kQuit = 2,         ///< SIGQUIT
        kSuspend = 4,      ///< SIGTSTP
        kFlushOutput = 8,  ///< output that was not shown yet is to be thrown away
        kRestarted = 16,   ///< output goes on
    };

    explicit LineDiscipline(TtyState& state) : s_(state) {}

    /// Bytes typed at the terminal; returns how many were taken (the rest when the program has read).
    usize input(std::span<const u8> bytes, Output& out);
    /// Bytes that the program writes; returns how many were taken (the rest when there is room, or output
    /// goes on).
    usize write(std::span<const u8> bytes, Output& out);
    /// Puts out echo that had to wait. To be called when there is room again, or after kRestarted.
    void echo(Output& out);

    struct Read {
        usize count = 0;
        bool ready = false;  ///< false: nothing to read; with true and a count of 0: end of file
        bool more = false;   ///< canonical: the line goes on
    };
    /// As read(2) would without waiting. `last`: the program wants no more than `into` holds (an end of file
    /// right behind its last byte is then swallowed); false: this is a piece of a longer read.
    Read read(std::span<u8> into, bool last = true);

    /// read would give something.
    bool readable() const { return available(1); }
    /// poll(2) tells POLLIN.
    bool poll_in() const;
    /// When a blocking read ends: canonical, with the line; else after `minimum` bytes (VMIN) or after
    /// `time` tenths of a second (VTIME) since the last byte (minimum 0: since the read began).
    struct ReadRule {
        bool canonical;
        u8 minimum;
        u8 time;
    };
    ReadRule read_rule() const;
    /// TIOCINQ (FIONREAD).
    u32 input_count() const;
    /// input would take at least one byte.
    bool input_room() const;

    const Termios& termios() const { return s_.termios; }
    /// TCSETS. Waiting for the drain (TCSETSW) and the flush of input (TCSETSF: flush_input) come before it;
    /// `echo` after it, for output may go on.
    void set_termios(const Termios& termios);
    const WindowSize& window() const { return s_.window; }
    /// TIOCSWINSZ; true: it changed, SIGWINCH is due.
    bool set_window(const WindowSize& window);
    /// TCFLSH of the input.
    void flush_input();
    /// TCXONC output_off and output_on.
    void stop_output();
    void start_output(Output& out);
    bool output_stopped() const { return s_.stopped != 0 || s_.flow_stopped != 0; }
    /// The Event bits since the last call.
    u32 take_events();

  private:
    static constexpr u8 kSetCanonColumn = 0x81;  // in the echo buffer: the line begins at this column

    bool input_flag(u32 bit) const { return (s_.termios.input & bit) != 0; }
    bool output_flag(u32 bit) const { return (s_.termios.output & bit) != 0; }
    bool local_flag(u32 bit) const { return (s_.termios.local & bit) != 0; }
    bool canonical() const { return local_flag(kIcanon) && !local_flag(kExtproc); }
    u8 control(u32 index) const { return s_.termios.control[index]; }
    u8 at(u32 position) const { return s_.input[position % kBufferSize]; }
    bool line_end(u32 position) const;
    void set_line_end(u32 position, bool set);
    bool available(u32 amount) const;
    bool continuation(u8 byte) const { return input_flag(kIutf8) && (byte & 0xc0) == 0x80; }
    bool raw() const;
    bool special(u8 byte) const;
    usize room_for_input(bool& overflow);

    void receive(u8 byte, Output& out);
    void receive_plain(u8 byte, Output& out);
    void receive_special(u8 byte, Output& out);
    bool receive_flow(u8 byte, Output& out);
    bool receive_signal(u8 byte, Output& out);
    bool receive_canonical(u8 byte);
    void restart_any(Output& out);
    void store(u8 byte);
    void store_doubled(u8 byte);
    void end_line(u8 byte);
    void erase(u8 byte);
    bool erase_to_start();
    void erase_echo(u8 byte, u32 count, bool single);
    void erase_tab();
    void reprint(u8 byte);
    void reset_input();
    void finish_erasing();
    void start();

    void echo_byte(u8 byte);  // to the echo buffer, as it is
    void echo_operation(u8 operation);
    void echo_raw(u8 byte);   // shown as it is
    void echo_char(u8 byte);  // shown as ^X if it is a control character
    u8 echo_at(u32 position) const { return s_.echo[position % kBufferSize]; }
    u32 echo_step(Output& out);  // performs one operation; 0: no room
    u32 echo_length(u32 position) const;
    int put_processed(u8 byte, Output& out);  // with OPOST; -1: no room
    usize write_plain(std::span<const u8> bytes, Output& out);

    TtyState& s_;
};

}  // namespace pith::tty
