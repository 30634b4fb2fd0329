// SPDX-License-Identifier: MIT
// The way from the keyboard: special characters, line editing, the input buffer and reading from it.
#include "lib/tty/line_discipline.hpp"

#include <algorithm>
#include <cstring>

#include "lib/tty/character.hpp"

namespace pith::tty {

void reset(TtyState& state, const Termios& termios, WindowSize window) {
    memset(static_cast<void*>(&state), 0, sizeof(state));
    state.termios = termios;
    state.window = window;
}

bool LineDiscipline::line_end(u32 position) const {
    u32 bit = position % kBufferSize;
    return (s_.line_ends[bit / 8] >> (bit % 8) & 1) != 0;
}

void LineDiscipline::set_line_end(u32 position, bool set) {
    u32 bit = position % kBufferSize;
    u8 mask = static_cast<u8>(1u << (bit % 8));
    if (set) s_.line_ends[bit / 8] |= mask;
    else s_.line_ends[bit / 8] &= static_cast<u8>(~mask);
}

u32 LineDiscipline::take_events() {
    u32 events = s_.events;
    s_.events = 0;
    return events;
}

/// No character has a meaning: input is copied.
bool LineDiscipline::raw() const {
    return (s_.termios.input & (kIstrip | kIuclc | kIgncr | kIcrnl | kInlcr | kIxon | kParmrk)) == 0 &&
           (s_.termios.local & (kIsig | kIcanon | kEcho)) == 0;
}

/// The character may have a meaning under these settings (char_map of Linux).
bool LineDiscipline::special(u8 byte) const {
    if (byte == kDisabled) return false;
    auto is = [&](u32 index) { return byte == control(index); };
    if (byte == '\r' && input_flag(kIgncr | kIcrnl)) return true;
    if (byte == '\n' && input_flag(kInlcr)) return true;
    if (local_flag(kIcanon)) {
        if (byte == '\n' || is(kVerase) || is(kVkill) || is(kVeof) || is(kVeol)) return true;
        if (local_flag(kIexten)) {
            if (is(kVwerase) || is(kVlnext) || is(kVeol2)) return true;
            if (local_flag(kEcho) && is(kVreprint)) return true;
        }
    }
    if (input_flag(kIxon) && (is(kVstart) || is(kVstop))) return true;
    return local_flag(kIsig) && (is(kVintr) || is(kVquit) || is(kVsusp));
}

/// How many bytes may be processed now. A line that is full goes on taking bytes one by one, each in the
/// place of the last: so that erasing and the end of the line are still seen.
usize LineDiscipline::room_for_input(bool& overflow) {
    i32 room = static_cast<i32>(kBufferSize - (s_.head - s_.tail));
    if (input_flag(kParmrk)) room = (room + 2) / 3;
    --room;
    overflow = false;
    if (room > 0) return static_cast<usize>(room);
    overflow = local_flag(kIcanon) && s_.canon_head == s_.tail;
    if (overflow && room < 0) --s_.head;
    return overflow ? 1 : 0;
}

bool LineDiscipline::input_room() const {
    i32 room = static_cast<i32>(kBufferSize - (s_.head - s_.tail));
    if (input_flag(kParmrk)) room = (room + 2) / 3;
    return room > 1 || (local_flag(kIcanon) && s_.canon_head == s_.tail);
}

usize LineDiscipline::input(std::span<const u8> bytes, Output& out) {
    usize taken = 0;
    while (taken < bytes.size()) {
        bool overflow = false;
        usize count = std::min(bytes.size() - taken, room_for_input(overflow));
        if (count == 0) break;
        if (raw() || local_flag(kExtproc)) {
            for (usize i = 0; i < count; ++i) store(bytes[taken + i]);
        } else {
            for (usize i = 0; i < count; ++i) receive(bytes[taken + i], out);
        }
        taken += count;
    }
    echo(out);
    return taken;
}

void LineDiscipline::receive(u8 byte, Output& out) {
    if (input_flag(kIstrip)) byte &= 0x7f;
    if (input_flag(kIuclc) && local_flag(kIexten)) byte = to_lower(byte);
    if (s_.literal_next != 0) {
        s_.literal_next = 0;
        receive_plain(byte, out);
    } else if (special(byte)) {
        receive_special(byte, out);
    } else {
        receive_plain(byte, out);
    }
}

/// Any typed character lets output go on, with IXANY.
void LineDiscipline::restart_any(Output& out) {
    if (s_.stopped == 0 || s_.flow_stopped != 0 || !input_flag(kIxon) || !input_flag(kIxany)) return;
    start();
    echo(out);
}

void LineDiscipline::receive_plain(u8 byte, Output& out) {
    restart_any(out);
    if (local_flag(kEcho)) {
        finish_erasing();
        if (s_.canon_head == s_.head) echo_operation(kSetCanonColumn);
        echo_char(byte);
    }
    store_doubled(byte);
}

void LineDiscipline::receive_special(u8 byte, Output& out) {
    if (receive_flow(byte, out) || receive_signal(byte, out)) return;
    restart_any(out);
    if (byte == '\r') {
        if (input_flag(kIgncr)) return;
        if (input_flag(kIcrnl)) byte = '\n';
    } else if (byte == '\n' && input_flag(kInlcr)) {
        byte = '\r';
    }
    if (local_flag(kIcanon) && receive_canonical(byte)) return;
    if (local_flag(kEcho)) {
        finish_erasing();
        if (byte == '\n') {
            echo_raw('\n');
        } else {
            if (s_.canon_head == s_.head) echo_operation(kSetCanonColumn);
            echo_char(byte);
        }
    }
    store_doubled(byte);
}

bool LineDiscipline::receive_flow(u8 byte, Output& out) {
    if (!input_flag(kIxon)) return false;
    if (byte == control(kVstart)) {
        start();
        echo(out);
        return true;
    }
    if (byte != control(kVstop)) return false;
    echo(out);  // what was typed before it is still shown
    s_.stopped = 1;
    return true;
}

bool LineDiscipline::receive_signal(u8 byte, Output& out) {
    if (!local_flag(kIsig)) return false;
    u32 event = 0;
    if (byte == control(kVintr)) event = kInterrupt;
    else if (byte == control(kVquit)) event = kQuit;
    else if (byte == control(kVsusp)) event = kSuspend;
    else return false;
    s_.events |= event;
    if (!local_flag(kNoflsh)) {
        s_.events |= kFlushOutput;
        s_.echo_tail = s_.echo_head;
        out.discard();
        reset_input();
    }
    if (input_flag(kIxon)) start();
    if (local_flag(kEcho)) echo_char(byte);
    else echo(out);
    return true;
}

bool LineDiscipline::receive_canonical(u8 byte) {
    const bool extended = local_flag(kIexten);
    if (byte == control(kVerase) || byte == control(kVkill) || (byte == control(kVwerase) && extended)) {
        erase(byte);
        return true;
    }
    if (byte == control(kVlnext) && extended) {
        s_.literal_next = 1;
        if (local_flag(kEcho)) {
            finish_erasing();
            if (local_flag(kEchoctl)) {
                echo_raw('^');
                echo_raw('\b');
            }
        }
        return true;
    }
    if (byte == control(kVreprint) && local_flag(kEcho) && extended) {
        reprint(byte);
        return true;
    }
    if (byte == '\n') {
        if (local_flag(kEcho | kEchonl)) echo_raw('\n');
        end_line(byte);
        return true;
    }
    if (byte == control(kVeof)) {
        end_line(kDisabled);
        return true;
    }
    if (byte == control(kVeol) || (byte == control(kVeol2) && extended)) {
        if (local_flag(kEcho)) {
            if (s_.canon_head == s_.head) echo_operation(kSetCanonColumn);
            echo_char(byte);
        }
        if (byte == 0xff && input_flag(kParmrk)) store(byte);
        end_line(byte);
        return true;
    }
    return false;
}

void LineDiscipline::store(u8 byte) { s_.input[s_.head++ % kBufferSize] = byte; }

void LineDiscipline::store_doubled(u8 byte) {
    if (byte == 0xff && input_flag(kParmrk)) store(byte);
    store(byte);
}

void LineDiscipline::end_line(u8 byte) {
    set_line_end(s_.head, true);
    store(byte);
    s_.canon_head = s_.head;
}

/// VKILL without the pretty way: true if that was all.
bool LineDiscipline::erase_to_start() {
    if (!local_flag(kEcho)) {
        s_.head = s_.canon_head;
        return true;
    }
    if (local_flag(kEchok) && local_flag(kEchoke) && local_flag(kEchoe)) return false;
    s_.head = s_.canon_head;
    finish_erasing();
    echo_char(control(kVkill));
    if (local_flag(kEchok)) echo_raw('\n');
    return true;
}

void LineDiscipline::erase(u8 byte) {
    if (s_.head == s_.canon_head) return;
    const bool single = byte == control(kVerase);
    const bool word = !single && byte == control(kVwerase);
    if (!single && !word && erase_to_start()) return;

    bool seen_word = false;
    while (s_.head != s_.canon_head) {
        // One character, of several bytes perhaps.
        u32 start = s_.head;
        u8 c = 0;
        do { c = at(--start); } while (continuation(c) && start != s_.canon_head);
        if (continuation(c)) break;
        if (word) {
            if (is_alphanumeric(c) || c == '_') seen_word = true;
            else if (seen_word) break;
        }
        u32 count = s_.head - start;
        s_.head = start;
        if (local_flag(kEcho)) erase_echo(c, count, single);
        if (single) break;
    }
    if (s_.head == s_.canon_head && local_flag(kEcho)) finish_erasing();
}

void LineDiscipline::reset_input() {
    s_.tail = s_.canon_head = s_.head;
    memset(s_.line_ends, 0, sizeof(s_.line_ends));
    s_.erasing = 0;
}

void LineDiscipline::flush_input() { reset_input(); }

bool LineDiscipline::available(u32 amount) const {
    if (canonical()) return s_.canon_head != s_.tail;
    return s_.head - s_.tail >= amount;
}

bool LineDiscipline::poll_in() const {
    u8 minimum = control(kVmin);
    return available(control(kVtime) == 0 && minimum != 0 ? minimum : 1);
}

LineDiscipline::ReadRule LineDiscipline::read_rule() const {
    return {local_flag(kIcanon), control(kVmin), control(kVtime)};
}

u32 LineDiscipline::input_count() const {
    if (!canonical()) return s_.head - s_.tail;
    u32 count = 0;
    for (u32 position = s_.tail; position != s_.canon_head; ++position) {
        if (!line_end(position) || at(position) != kDisabled) ++count;
    }
    return count;
}

LineDiscipline::Read LineDiscipline::read(std::span<u8> into, bool last) {
    Read result;
    if (!available(1)) return result;
    result.ready = true;
    if (!canonical()) {
        result.count = std::min<usize>(into.size(), s_.head - s_.tail);
        for (usize i = 0; i < result.count; ++i) into[i] = at(s_.tail++);
        return result;
    }
    while (result.count < into.size() && s_.tail != s_.canon_head) {
        bool end = line_end(s_.tail);
        u8 byte = at(s_.tail);
        if (end) set_line_end(s_.tail, false);
        ++s_.tail;
        if (!end || byte != kDisabled) into[result.count++] = byte;
        if (end) return result;
    }
    result.more = !last && s_.tail != s_.canon_head;
    // An end of file right behind the last byte asked for is not read separately.
    if (last && s_.tail != s_.canon_head && line_end(s_.tail) && at(s_.tail) == kDisabled) {
        set_line_end(s_.tail, false);
        ++s_.tail;
    }
    return result;
}

void LineDiscipline::set_termios(const Termios& termios) {
    const Termios old = s_.termios;
    s_.termios = termios;
    if (((old.local ^ termios.local) & (kIcanon | kExtproc)) != 0) {
        memset(s_.line_ends, 0, sizeof(s_.line_ends));
        if (!local_flag(kIcanon) || s_.head == s_.tail) {
            s_.canon_head = s_.tail;
        } else {
            // What was typed in raw mode is a line now.
            set_line_end(s_.head - 1, true);
            s_.canon_head = s_.head;
        }
        s_.erasing = 0;
        s_.literal_next = 0;
    }
    if (!input_flag(kIxon) && (old.input & kIxon) != 0) start();
}

bool LineDiscipline::set_window(const WindowSize& window) {
    if (s_.window == window) return false;
    s_.window = window;
    return true;
}

}  // namespace pith::tty
