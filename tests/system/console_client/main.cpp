// SPDX-License-Identifier: MIT
// A client of the console server, in place of the Linux server. With streams it copies stdin to stdout, tells
// the byte count on stderr at the end, and exits 42. On a terminal it answers each line in brackets; "exit"
// exits 7; "next" has it begin anew as the next client of one that died. Parameter kill_every: after so many bytes it kills the serial driver or the console server, in
// turns.
#include <cstring>

#include "lib/base/format.hpp"
#include "lib/os/event_loop.hpp"
#include "lib/os/protocol.hpp"
#include "lib/tty/termios.hpp"
#include "protocol/console.hpp"
#include "protocol/process.hpp"

namespace pith {
namespace {

constexpr u64 kBit = 1;

class Copier {
  public:
    void run();

  private:
    template <typename M>
    Result<typename M::Reply> call(const M& method);
    void attach(u64 fresh);
    void write(ConsoleStream stream, std::span<const u8> bytes);
    Result<Console::Read::Reply> read(ConsoleStream stream);
    void copy();
    void answer();
    void be_the_next();
    void maybe_kill(usize moved);
    void wait() { static_cast<void>(signal_.wait(kBit | kSignalReborn)); }
    void end(u32 status);

    Client<Console> console_ = Client<Console>::from_start();
    Client<Process> process_ = Client<Process>::from_start();
    Handle<Signal> signal_ = take_start_handle<Signal>("signal");
    Console::Attach::Reply attached_{};
    u64 written_[kConsoleStreams] = {};
    u64 id_ = 0;
    u64 kill_every_ = 0, until_kill_ = 0;
    u32 kills_ = 0;
};

std::span<const u8> bytes_of(std::string_view text) {
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

void Copier::attach(u64 fresh) {
    HandleList handles;
    handles.add(signal_, rights(abi::SignalRight::notify));
    ReceivedHandles unwanted;
    auto reply = console_.call(Console::Attach{kBit, fresh}, handles, unwanted);
    if (!reply.ok()) panic("the console refuses");
    attached_ = *reply;
    if (fresh == 0) return;
    id_ = reply->id;
    memcpy(written_, reply->written, sizeof(written_));
}

template <typename M>
Result<typename M::Reply> Copier::call(const M& method) {
    for (;;) {
        auto result = console_.call(method);
        if (result.ok() || result.error() != Error::bad_state) return result;
        attach(0);
    }
}

void Copier::write(ConsoleStream stream, std::span<const u8> bytes) {
    u64& offset = written_[static_cast<u32>(stream)];
    while (!bytes.empty()) {
        Console::Write request{};
        request.stream = static_cast<u32>(stream);
        request.length = static_cast<u32>(bytes.size() < Console::kMaxData ? bytes.size()
                                                                           : Console::kMaxData);
        request.offset = offset;
        memcpy(request.data, bytes.data(), request.length);
        auto reply = call(request);
        if (!reply.ok() || reply->offset < offset || reply->offset > offset + request.length)
            panic("bad write");
        if (reply->offset < offset + request.length) {
            bytes = bytes.subspan(reply->offset - offset);
            offset = reply->offset;
            wait();
            if (!call(Console::Poll{}).ok()) panic("bad poll");  // attaches again if need be
        } else {
            bytes = bytes.subspan(request.length);
            offset = reply->offset;
        }
    }
}

Result<Console::Read::Reply> Copier::read(ConsoleStream stream) {
    for (;;) {
        auto reply = call(Console::Read{id_ + 1, static_cast<u32>(stream), 4096});
        if (reply.ok()) {
            ++id_;
            return reply;
        }
        if (reply.error() != Error::would_block) panic("bad read");
        wait();
        if (!call(Console::Poll{}).ok()) panic("bad poll");
    }
}

void Copier::maybe_kill(usize moved) {
    if (kill_every_ == 0) return;
    until_kill_ += moved;
    if (until_kill_ < kill_every_) return;
    until_kill_ = 0;
    Process::Control control{};
    const std::string_view victim = ++kills_ % 2 == 0 ? "console" : "uart16550";
    memcpy(control.name, victim.data(), victim.size());
    control.action = static_cast<u32>(ControlAction::kill);
    if (!process_.call(control).ok()) panic("cannot kill");
}

void Copier::copy() {
    u64 total = 0;
    for (;;) {
        auto got = read(ConsoleStream::input);
        write(ConsoleStream::output, {got->data, got->length});
        total += got->length;
        maybe_kill(got->length);
        if ((got->flags & Console::Read::kEnd) != 0) break;
    }
    char line[64];
    write(ConsoleStream::error, bytes_of(format_to(line, "{} bytes\n", total)));
    end(42);
}

/// A client dies with the terminal in raw mode and unread input: to the next one it is as at the start, and empty.
void Copier::be_the_next() {
    constexpr u32 kTyped = 5;
    const auto before = call(Console::GetTermios{});
    if (!before.ok()) panic("bad terminal");
    ConsoleTermios raw = before.value().termios;
    raw.local &= ~(tty::kIcanon | tty::kEcho);
    if (!call(Console::SetTermios{++id_, 0, raw}).ok()) panic("bad settings");
    write(ConsoleStream::tty, bytes_of("raw\n"));
    for (auto now = call(Console::Poll{}); now.ok() && now->tty_input < kTyped; now = call(Console::Poll{}))
        wait();
    attach(Console::Attach::kNext);
    const auto after = call(Console::GetTermios{});
    const auto state = call(Console::Poll{});
    if (!after.ok() || after.value().termios.local != before.value().termios.local)
        panic("the terminal stays raw");
    if (!state.ok() || state.value().tty_input != 0) panic("what was typed for the dead is there");
    write(ConsoleStream::tty, bytes_of("next\n"));
}

void Copier::answer() {
    write(ConsoleStream::tty, bytes_of("ready\n"));
    for (;;) {
        auto got = read(ConsoleStream::tty);
        std::string_view line(reinterpret_cast<const char*>(got->data), got->length);
        if ((got->flags & Console::Read::kEnd) != 0 || line == "exit\n") end(7);
        if (line.ends_with('\n')) line.remove_suffix(1);
        if (line == "next") {
            be_the_next();
            continue;
        }
        write(ConsoleStream::tty, bytes_of("["));
        write(ConsoleStream::tty, bytes_of(line));
        write(ConsoleStream::tty, bytes_of("]\n"));
        maybe_kill(line.size());
    }
}

void Copier::end(u32 status) {
    if (kill_every_ == 0) {
        // One that dies right after it has told the end: the next one knows.
        static_cast<void>(console_.call(Console::Exit{status, 0}, now() + kSecond));
        attach(Console::Attach::kNext);
        if (attached_.ending != 1 || attached_.status != status) panic("the end is forgotten");
    }
    if (!call(Console::Exit{status, 0}).ok()) panic("bad exit");
    if (process_.valid())
        static_cast<void>(process_.call(Process::Shutdown{static_cast<u32>(ShutdownKind::poweroff), 0}));
    for (;;) wait();
}

void Copier::run() {
    kill_every_ = start_number("kill_every");
    attach(Console::Attach::kFirst);
    if (!call(Console::Ready{}).ok()) panic("bad ready");
    if ((attached_.ttys & 1) != 0) answer();
    copy();
}

}  // namespace
}  // namespace pith

int main() {
    static pith::Copier copier;
    copier.run();
    return 0;
}
