// SPDX-License-Identifier: MIT
// The console: the terminal and the three streams of `./pith`, which the console server keeps (protocol/console.hpp).
// ConsoleLink is the connection: it numbers requests, begins anew when the server was restarted, and turns the
// server's notifications into wake-ups and signals.
#pragma once

#include <optional>

#include "lib/os/event_loop.hpp"
#include "lib/os/protocol.hpp"
#include "protocol/console.hpp"
#include "servers/linux/vfs/tty/tty.hpp"

namespace pith::lx {

class ConsoleTty;

class ConsoleLink {
  public:
    explicit ConsoleLink(const Client<Console>& client) : client_(client) {}

    /// Attaches; from now on `loop` hears of changes. `next`: an earlier life of this server has died. Without a console server: an
    /// error, and all reads are at their end.
    Result<> connect(EventLoop& loop, bool next);
    bool connected() const { return connected_; }
    /// How the run has ended, if an earlier life of this server has told the console already.
    std::optional<Console::Exit> ending() const { return ending_; }
    /// Bit n: descriptor n of the command leads to the terminal.
    u32 ttys() const { return ttys_; }

    /// What is there of a stream: would_block if nothing.
    Result<Console::Read::Reply> read(ConsoleStream stream, usize count);
    /// Bytes taken.
    Result<usize> write(ConsoleStream stream, std::span<const u8> bytes);
    Console::Poll::Reply poll();
    Result<> set_termios(tty::When when, const tty::Termios& termios);
    Result<tty::Termios> termios();
    Result<> flush(u32 queue);
    Result<> flow(u32 action);
    bool set_window(const tty::WindowSize& window);
    /// The command's first instruction is about to run.
    void ready();
    /// A line that `./pith` prints at the end of the run; `index`: how many came before.
    void report(u64 index, std::string_view line);

    Ref<ConsoleTty> tty;
    WaitQueue stream_queues[3];

  private:
    /// Calls; after bad_state attaches and calls once more.
    template <typename M>
    Result<typename M::Reply> call(const M& method);
    Result<> attach(u64 fresh);
    void changed();

    const Client<Console>& client_;
    EventLoop* loop_ = nullptr;
    u64 bits_ = 0;
    u64 id_ = 0;
    u64 written_[kConsoleStreams] = {};
    u32 ttys_ = 0;
    std::optional<Console::Exit> ending_;
    bool connected_ = false;
    Console::Poll::Reply last_{};
};

/// The terminal.
class ConsoleTty : public Tty {
  public:
    ConsoleTty(Zone& of, ConsoleLink& link, u64 number) : Tty(of, number), link_(link) {}
    SysResult<Piece> try_read(std::span<u8> into, bool last) override;
    SysResult<usize> try_write(std::span<const u8> bytes) override;
    tty::Termios termios() override;
    SysResult<> set_termios(tty::When when, const tty::Termios& termios) override;
    SysResult<> flush(tty::Queue queue) override;
    SysResult<> flow(tty::Flow action) override;
    bool drained() override;
    tty::WindowSize window() override;
    bool set_window(const tty::WindowSize& window) override;
    u32 input_count() override;
    u32 output_count() override;
    u32 poll_bits() override;
    void forget_termios() { known_ = false; }

  private:
    ConsoleLink& link_;
    tty::Termios termios_ = tty::kDefaultTermios;
    bool known_ = false;
};

/// One of the three streams.
class StreamFile : public File {
  public:
    StreamFile(Path file_path, u32 open_flags, ConsoleLink& link, ConsoleStream stream)
        : File(std::move(file_path), open_flags), link_(link), stream_(stream) {}
    Async<usize> read(Thread& thread, UserIo&& io, i64 position) override;
    Async<usize> write(Thread& thread, UserIo&& io, i64 position) override;
    u32 poll(Poller* poller) override;

  private:
    WaitQueue& queue() { return link_.stream_queues[static_cast<u32>(stream_)]; }
    ConsoleLink& link_;
    ConsoleStream stream_;
};

}  // namespace pith::lx
