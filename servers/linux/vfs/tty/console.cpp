// SPDX-License-Identifier: MIT
// The console, by way of the console server.
#include "servers/linux/vfs/tty/console.hpp"

#include <algorithm>
#include <cstring>

#include "servers/linux/zone.hpp"

namespace pith::lx {

template <typename M>
Result<typename M::Reply> ConsoleLink::call(const M& method) {
    constexpr int kMostAttempts = 16;  // each time it was restarted between the two
    if (!connected_) return Error::peer_died;
    auto result = client_.call(method);
    for (int i = 0; i < kMostAttempts && !result.ok() && result.error() == Error::bad_state; ++i) {
        PITH_CHECK(attach(0));
        result = client_.call(method);
    }
    return result;
}

Result<> ConsoleLink::attach(u64 fresh) {
    Console::Attach request{};
    request.bits = bits_;
    request.fresh = fresh;
    HandleList handles;
    handles.add(loop_->signal(), static_cast<abi::RightsBits>(abi::SignalRight::notify));
    ReceivedHandles received;
    auto reply = PITH_TRY(client_.call(request, handles, received));
    ttys_ = reply.ttys;
    if (fresh != 0) {
        if (reply.ending != 0) ending_ = Console::Exit{reply.status, reply.reason};
        id_ = reply.id;
        std::copy_n(reply.written, kConsoleStreams, written_);
    }
    return {};
}

Result<> ConsoleLink::connect(EventLoop& loop, bool next) {
    if (!client_.valid()) return Error::not_found;
    loop_ = &loop;
    bits_ = loop.allocate_signal_bit();
    if (bits_ == 0) return Error::no_slot;
    PITH_CHECK(attach(next ? Console::Attach::kNext : Console::Attach::kFirst));
    connected_ = true;
    last_ = poll();
    loop.on_signal(bits_, [this](u64) { changed(); });
    loop.on_signal(kSignalReborn, [this](u64) {
        static_cast<void>(attach(0));
        changed();
    });
    return {};
}

Console::Poll::Reply ConsoleLink::poll() {
    auto reply = call(Console::Poll{});
    return reply.ok() ? reply.value() : Console::Poll::Reply{};
}

void ConsoleLink::changed() {
    const Console::Poll::Reply now = poll();
    if (tty) {
        if (now.interrupts != last_.interrupts) tty->signal_foreground(kSigInt);
        if (now.quits != last_.quits) tty->signal_foreground(kSigQuit);
        if (now.suspends != last_.suspends) tty->signal_foreground(kSigTstp);
        if (now.window_changes != last_.window_changes) tty->signal_foreground(kSigWinch);
        if (now.hang_ups != last_.hang_ups) tty->hang_up();
        tty->input_queue.wake_all();
        tty->output_queue.wake_all();
    }
    for (WaitQueue& queue : stream_queues) queue.wake_all();
    last_ = now;
}

Result<Console::Read::Reply> ConsoleLink::read(ConsoleStream stream, usize count) {
    Console::Read request{};
    request.id = id_ + 1;
    request.stream = static_cast<u32>(stream);
    request.count = static_cast<u32>(std::min<usize>(count, 0x4000'0000));
    auto reply = call(request);
    if (reply.ok()) {
        ++id_;
        if (reply->length > Console::kMaxData) return Error::protocol;
    }
    return reply;
}

Result<usize> ConsoleLink::write(ConsoleStream stream, std::span<const u8> bytes) {
    u64& offset = written_[static_cast<u32>(stream)];
    Console::Write request;
    request.stream = static_cast<u32>(stream);
    request.length = static_cast<u32>(std::min(bytes.size(), Console::kMaxData));
    request.offset = offset;
    std::memcpy(request.data, bytes.data(), request.length);
    auto reply = PITH_TRY(call(request));
    if (reply.offset < offset || reply.offset > offset + request.length) return Error::protocol;
    return static_cast<usize>(reply.offset - std::exchange(offset, reply.offset));
}

Result<tty::Termios> ConsoleLink::termios() {
    auto reply = PITH_TRY(call(Console::GetTermios{}));
    tty::Termios result;
    static_assert(sizeof result == sizeof reply.termios);
    std::memcpy(&result, &reply.termios, sizeof result);
    return result;
}

Result<> ConsoleLink::set_termios(tty::When when, const tty::Termios& termios) {
    Console::SetTermios request{};
    request.id = id_ + 1;
    request.when = static_cast<u32>(when);
    std::memcpy(&request.termios, &termios, sizeof termios);
    auto reply = call(request);
    if (!reply.ok()) return reply.error();
    ++id_;
    return {};
}

Result<> ConsoleLink::flush(u32 queue) {
    auto reply = call(Console::Flush{id_ + 1, queue});
    if (!reply.ok()) return reply.error();
    ++id_;
    return {};
}

Result<> ConsoleLink::flow(u32 action) {
    auto reply = call(Console::Flow{id_ + 1, action});
    if (!reply.ok()) return reply.error();
    ++id_;
    return {};
}

bool ConsoleLink::set_window(const tty::WindowSize& window) {
    auto reply = call(Console::SetWindow{{window.rows, window.columns, window.x_pixels, window.y_pixels}});
    if (!reply.ok() || reply->changed == 0) return false;
    last_ = poll();  // the change is ours: its signal is sent by the caller
    return true;
}

void ConsoleLink::ready() { static_cast<void>(call(Console::Ready{})); }

void ConsoleLink::report(u64 index, std::string_view line) {
    constexpr abi::Time kRetry = kMillisecond, kPatience = 2 * kSecond;
    Console::Report request{};
    request.index = index;
    request.length = std::min(line.size(), Console::Report::kMaxText);
    std::memcpy(request.text, line.data(), request.length);
    const abi::Time limit = now() + kPatience;
    auto taken = call(request);
    // The run is over: there is nobody else that this could keep waiting.
    while (!taken.ok() && taken.error() == Error::would_block && now() < limit) {
        const abi::Time next = now() + kRetry;
        while (now() < next) yield_cpu();
        taken = call(request);
    }
}

SysResult<Tty::Piece> ConsoleTty::try_read(std::span<u8> into, bool last) {
    // A count beyond what a reply holds says that this is a piece of a longer read: `into` holds a whole reply then.
    auto reply = link_.read(ConsoleStream::tty,
                            last ? into.size() : std::max(into.size(), Console::kMaxData + 1));
    Piece piece;
    if (!reply.ok()) {
        if (reply.error() == Error::would_block) return piece;
        piece.ready = true;  // hung up, or there is no console: the end
        return piece;
    }
    piece.ready = true;
    piece.count = std::min<usize>(reply->length, into.size());
    piece.more = (reply->flags & Console::Read::kMore) != 0;
    std::memcpy(into.data(), reply->data, piece.count);
    return piece;
}

SysResult<usize> ConsoleTty::try_write(std::span<const u8> bytes) {
    auto taken = link_.write(ConsoleStream::tty, bytes);
    if (!taken.ok()) return Errno::EIO;
    return taken.value();
}

tty::Termios ConsoleTty::termios() {
    if (!known_) {
        auto current = link_.termios();
        if (current.ok()) {
            termios_ = current.value();
            known_ = true;
        }
    }
    return termios_;
}

SysResult<> ConsoleTty::set_termios(tty::When when, const tty::Termios& termios) {
    auto done = link_.set_termios(when, termios);
    known_ = false;
    if (done.ok()) return {};
    return done.error() == Error::would_block ? Errno::EAGAIN : Errno::EIO;
}

SysResult<> ConsoleTty::flush(tty::Queue queue) {
    return link_.flush(static_cast<u32>(queue)).ok() ? SysResult<>() : SysResult<>(Errno::EIO);
}

SysResult<> ConsoleTty::flow(tty::Flow action) {
    return link_.flow(static_cast<u32>(action)).ok() ? SysResult<>() : SysResult<>(Errno::EIO);
}

bool ConsoleTty::drained() { return (link_.poll().ready & kConsoleTtyDrained) != 0 || !link_.connected(); }

tty::WindowSize ConsoleTty::window() {
    const ConsoleWindow window = link_.poll().window;
    return {window.rows, window.columns, window.x_pixels, window.y_pixels};
}

bool ConsoleTty::set_window(const tty::WindowSize& window) { return link_.set_window(window); }
u32 ConsoleTty::input_count() { return link_.poll().tty_input; }
u32 ConsoleTty::output_count() { return link_.poll().tty_output; }

u32 ConsoleTty::poll_bits() {
    const u32 ready = link_.poll().ready;
    return ((ready & kConsoleTtyPollIn) != 0 ? kPollIn | kPollReadNormal : 0) |
           ((ready & kConsoleTtyPollOut) != 0 ? kPollOut | kPollWriteNormal : 0);
}

namespace {

/// True: finished.
bool read_step(ConsoleLink& link, ConsoleStream stream, UserIo& io, SysResult<usize>& result) {
    auto reply = link.read(stream, std::min(io.remaining(), Console::kMaxData));
    if (!reply.ok()) {
        if (reply.error() == Error::would_block) return false;
        result = usize{0};
        return true;
    }
    result = io.put(reply->data, reply->length);
    if (!result.ok()) return true;
    // More of the same, as long as it is there.
    usize done = result.value();
    while (done == reply->length && io.remaining() != 0 && reply->length == Console::kMaxData) {
        auto next = link.read(stream, std::min(io.remaining(), Console::kMaxData));
        if (!next.ok() || next->length == 0) break;
        const SysResult<usize> copied = io.put(next->data, next->length);
        if (!copied.ok()) break;
        done += copied.value();
        if (next->length < Console::kMaxData) break;
    }
    result = done;
    return true;
}

Task<SysResult<usize>> slow_stream_read(Thread& thread, Ref<File>, ConsoleLink& link, ConsoleStream stream,
                                        UserIo io) {
    SysResult<usize> result = usize{0};
    do {
        PITH_CO_CHECK(co_await wait_on(thread, link.stream_queues[static_cast<u32>(stream)]));
    } while (!read_step(link, stream, io, result));
    co_return result;
}

bool write_step(ConsoleLink& link, ConsoleStream stream, UserIo& io, usize& done, Errno& error) {
    while (io.remaining() != 0) {
        const SysResult<std::span<u8>> piece = io.piece(Access::read, Console::kMaxData);
        if (!piece.ok()) {
            error = piece.error();
            return true;
        }
        auto taken = link.write(stream, piece.value());
        if (!taken.ok()) {
            error = Errno::EIO;
            return true;
        }
        if (taken.value() == 0) return false;
        io.advance(taken.value());
        done += taken.value();
    }
    return true;
}

SysResult<usize> stream_written(usize done, Errno error) {
    return done != 0 || error == Errno::ok ? SysResult<usize>(done) : SysResult<usize>(error);
}

Task<SysResult<usize>> slow_stream_write(Thread& thread, Ref<File>, ConsoleLink& link, ConsoleStream stream,
                                         UserIo io, usize done) {
    Errno error = Errno::ok;
    do {
        const SysResult<> woken = co_await wait_on(thread, link.stream_queues[static_cast<u32>(stream)]);
        if (!woken.ok()) co_return stream_written(done, woken.error());
    } while (!write_step(link, stream, io, done, error));
    co_return stream_written(done, error);
}

}  // namespace

Async<usize> StreamFile::read(Thread& thread, UserIo&& io, i64) {
    if (stream_ != ConsoleStream::input) return Errno::EINVAL;
    if (io.remaining() == 0) return usize{0};
    SysResult<usize> result = usize{0};
    if (read_step(link_, stream_, io, result)) return result;
    if (nonblocking()) return Errno::EAGAIN;
    return slow_stream_read(thread, Ref<File>(this), link_, stream_, std::move(io));
}

Async<usize> StreamFile::write(Thread& thread, UserIo&& io, i64) {
    if (stream_ == ConsoleStream::input) return Errno::EINVAL;
    usize done = 0;
    Errno error = Errno::ok;
    if (write_step(link_, stream_, io, done, error)) return stream_written(done, error);
    if (nonblocking()) return stream_written(done, Errno::EAGAIN);
    return slow_stream_write(thread, Ref<File>(this), link_, stream_, std::move(io), done);
}

u32 StreamFile::poll(Poller* poller) {
    if (poller != nullptr) poller->watch(queue());
    const u32 ready = link_.poll().ready;
    if (stream_ == ConsoleStream::input)
        return (ready & kConsoleInputReady) != 0 ? kPollIn | kPollReadNormal : 0;
    const u32 bit = stream_ == ConsoleStream::output ? kConsoleOutputReady : kConsoleErrorReady;
    return (ready & bit) != 0 ? kPollOut | kPollWriteNormal : 0;
}

}  // namespace pith::lx
