// SPDX-License-Identifier: MIT
// The way to the screen: output processing (OPOST), the echo buffer and its operations.
#include <algorithm>
#include <cstring>

#include "lib/tty/character.hpp"
#include "lib/tty/line_discipline.hpp"

namespace pith::tty {
namespace {

// In the echo buffer: kOperation, then what. Any other second byte is a control character to be shown as ^X.
constexpr u8 kOperation = 0xff;
constexpr u8 kMoveBack = 0x80;
constexpr u8 kEraseTab = 0x82;  // and a byte: columns, with bit 7 if counted from a tab

constexpr u32 kEchoDiscard = kBufferSize - 288;  // as Linux: room for one more batch is kept

}  // namespace

void Output::put(std::span<const u8> bytes) {
    memcpy(buffer_.data() + used_, bytes.data(), bytes.size());
    used_ += bytes.size();
}

void LineDiscipline::echo_byte(u8 byte) {
    // When nobody takes output for long, the oldest echo is dropped, whole operations at a time.
    while (s_.echo_head - s_.echo_tail >= kEchoDiscard) s_.echo_tail += echo_length(s_.echo_tail);
    s_.echo[s_.echo_head++ % kBufferSize] = byte;
}

void LineDiscipline::echo_operation(u8 operation) {
    echo_byte(kOperation);
    s_.echo[s_.echo_head++ % kBufferSize] = operation;
}

void LineDiscipline::echo_raw(u8 byte) {
    if (byte == kOperation) echo_operation(kOperation);
    else echo_byte(byte);
}

void LineDiscipline::echo_char(u8 byte) {
    if (byte == kOperation) echo_operation(kOperation);
    else if (local_flag(kEchoctl) && is_control(byte) && byte != '\t') echo_operation(byte);
    else echo_byte(byte);
}

void LineDiscipline::finish_erasing() {
    if (s_.erasing == 0) return;
    echo_raw('/');
    s_.erasing = 0;
}

void LineDiscipline::erase_echo(u8 byte, u32 count, bool single) {
    if (local_flag(kEchoprt)) {
        if (s_.erasing == 0) {
            echo_raw('\\');
            s_.erasing = 1;
        }
        echo_char(byte);
        for (u32 i = 1; i < count; ++i) {
            echo_raw(at(s_.head + i));
            echo_operation(kMoveBack);
        }
    } else if (single && !local_flag(kEchoe)) {
        echo_char(control(kVerase));
    } else if (byte == '\t') {
        erase_tab();
    } else {
        int columns = is_control(byte) ? (local_flag(kEchoctl) ? 2 : 0) : 1;
        for (; columns > 0; --columns) {
            echo_raw('\b');
            echo_raw(' ');
            echo_raw('\b');
        }
    }
}

void LineDiscipline::erase_tab() {
    // Columns since the start of input, or since the previous tab.
    u32 columns = 0;
    bool after_tab = false;
    for (u32 position = s_.head; position != s_.canon_head && !after_tab;) {
        u8 byte = at(--position);
        if (byte == '\t') after_tab = true;
        else if (is_control(byte)) columns += local_flag(kEchoctl) ? 2 : 0;
        else if (!continuation(byte)) ++columns;
    }
    echo_operation(kEraseTab);
    s_.echo[s_.echo_head++ % kBufferSize] = static_cast<u8>((columns & 7) | (after_tab ? 0x80 : 0));
}

void LineDiscipline::reprint(u8 byte) {
    finish_erasing();
    echo_char(byte);
    echo_raw('\n');
    for (u32 position = s_.canon_head; position != s_.head; ++position) echo_char(at(position));
}

u32 LineDiscipline::echo_length(u32 position) const {
    if (echo_at(position) != kOperation) return 1;
    return echo_at(position + 1) == kEraseTab ? 3 : 2;
}

u32 LineDiscipline::echo_step(Output& out) {
    u8 byte = echo_at(s_.echo_tail);
    u32 length = echo_length(s_.echo_tail);
    if (byte != kOperation) {
        if (output_flag(kOpost)) return put_processed(byte, out) < 0 ? 0 : length;
        if (out.room() == 0) return 0;
        out.put(byte);
        return length;
    }
    u8 operation = echo_at(s_.echo_tail + 1);
    switch (operation) {
        case kEraseTab: {
            u32 columns = echo_at(s_.echo_tail + 2);
            if ((columns & 0x80) == 0) columns += s_.canon_column;
            u32 back = 8 - (columns & 7);
            if (out.room() < back) return 0;
            for (; back > 0; --back) {
                out.put('\b');
                if (s_.column > 0) --s_.column;
            }
            return length;
        }
        case kSetCanonColumn: s_.canon_column = s_.column; return length;
        case kMoveBack:
            if (s_.column > 0) --s_.column;
            return length;
        case kOperation:
            if (out.room() == 0) return 0;
            out.put(kOperation);
            ++s_.column;
            return length;
        default:
            if (out.room() < 2) return 0;
            out.put('^');
            out.put(static_cast<u8>(operation ^ 0100));
            s_.column += 2;
            return length;
    }
}

void LineDiscipline::echo(Output& out) {
    while (s_.echo_tail != s_.echo_head && !output_stopped()) {
        u32 length = echo_step(out);
        if (length == 0) return;
        s_.echo_tail += length;
    }
}

int LineDiscipline::put_processed(u8 byte, Output& out) {
    if (out.room() == 0) return -1;
    switch (byte) {
        case '\n':
            if (output_flag(kOnlret)) s_.column = 0;
            if (output_flag(kOnlcr)) {
                if (out.room() < 2) return -1;
                s_.canon_column = s_.column = 0;
                out.put('\r');
                out.put('\n');
                return 2;
            }
            s_.canon_column = s_.column;
            break;
        case '\r':
            if (output_flag(kOnocr) && s_.column == 0) return 0;
            if (output_flag(kOcrnl)) {
                byte = '\n';
                if (output_flag(kOnlret)) s_.canon_column = s_.column = 0;
                break;
            }
            s_.canon_column = s_.column = 0;
            break;
        case '\t': {
            u32 spaces = 8 - (s_.column & 7);
            if ((s_.termios.output & kTabdly) == kXtabs) {
                if (out.room() < spaces) return -1;
                s_.column += spaces;
                for (u32 i = 0; i < spaces; ++i) out.put(' ');
                return static_cast<int>(spaces);
            }
            s_.column += spaces;
            break;
        }
        case '\b':
            if (s_.column > 0) --s_.column;
            break;
        default:
            if (is_control(byte)) break;
            if (output_flag(kOlcuc)) byte = to_upper(byte);
            if (!continuation(byte)) ++s_.column;
            break;
    }
    out.put(byte);
    return 1;
}

usize LineDiscipline::write_plain(std::span<const u8> bytes, Output& out) {
    usize count = std::min(bytes.size(), out.room());
    usize n = 0;
    for (; n < count; ++n) {
        u8 byte = bytes[n];
        if (byte < 0x20) break;
        if (byte != 127 && !continuation(byte)) ++s_.column;
    }
    out.put(bytes.first(n));
    return n;
}

usize LineDiscipline::write(std::span<const u8> bytes, Output& out) {
    echo(out);
    if (output_stopped()) return 0;
    if (!output_flag(kOpost)) {
        usize count = std::min(bytes.size(), out.room());
        out.put(bytes.first(count));
        return count;
    }
    usize n = 0;
    while (n < bytes.size()) {
        if (!output_flag(kOlcuc)) n += write_plain(bytes.subspan(n), out);
        if (n == bytes.size() || put_processed(bytes[n], out) < 0) break;
        ++n;
    }
    return n;
}

void LineDiscipline::stop_output() { s_.flow_stopped = 1; }

void LineDiscipline::start_output(Output& out) {
    if (s_.flow_stopped == 0) return;
    s_.flow_stopped = 0;
    s_.stopped = 1;
    start();
    echo(out);
}

void LineDiscipline::start() {
    // VSTART does not undo TCOOFF; TCOON undoes both.
    if (s_.stopped == 0 || s_.flow_stopped != 0) return;
    s_.stopped = 0;
    s_.events |= kRestarted;
}

}  // namespace pith::tty
