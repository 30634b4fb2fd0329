// SPDX-License-Identifier: MIT
// The methods of protocol/console.hpp. Each: check who and which, change the state, commit, answer.
#include "servers/console/service.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "lib/os/clock.hpp"

namespace pith::console {
namespace {

/// What a terminal without a line of its own always has, as ptys of Linux.
tty::Termios sanitised(const ConsoleTermios& from) {
    tty::Termios termios = std::bit_cast<tty::Termios>(from);
    termios.hardware = (termios.hardware & ~(tty::kCsize | tty::kParenb)) | tty::kCs8 | tty::kCread;
    return termios;
}

}  // namespace

Service::Service(Store& store, EventLoop& loop, u64 line_bit, u64 log_bit)
    : store_(store),
      streams_(store),
      link_(mux::Link::Side::guest, streams_, store.core().link),
      line_(Client<Serial>::from_start(), loop.signal(), line_bit),
      log_(Client<Log>::from_start(), loop.signal(), log_bit, store, streams_) {
    if (!plain()) streams_.connect(&link_);
    loop.on_signal(line_bit, [this](u64) { line_ready_ = true; });
    loop.on_signal(log_bit, [this](u64) { log_.wake(); });
    loop.on_signal(kSignalReborn, [this](u64) {
        line_ready_ = true;  // a transfer will tell if the driver is another
        log_.reborn();
    });
    commit();
}

void Service::commit() {
    if (!plain()) core().link = link_.state();
    store_.commit();
    dirty_ = false;
}

Error Service::check(Badge badge) const {
    return client_.valid() && badge.bits() == client_badge_ ? Error::ok : Error::bad_state;
}

Error Service::check(Badge badge, u64 id, u32 opcode) {
    if (const Error error = check(badge); error != Error::ok) return error;
    if (id == core().last_id && opcode == core().last_opcode && id != 0) return Error::exists;
    return id == core().last_id + 1 ? Error::ok : Error::invalid;
}

void Service::done(u64 id, u32 opcode) {
    core().last_id = id;
    core().last_opcode = opcode;
    commit();
}

void Service::handle(const Console::Attach& request, Request<Console::Attach> call) {
    auto signal = call.handles().take<Signal>(0);
    if (!signal.ok()) return call.fail(signal.error());
    client_ = std::move(*signal);
    client_bits_ = request.bits;
    client_badge_ = call.badge().bits();
    told_ready_ = 0;
    told_events_ = events();
    if (request.fresh != 0) {
        tty::Termios standard = tty::kDefaultTermios;
        standard.line = streams_.discipline().termios().line;
        streams_.discipline().set_termios(standard);
        if (request.fresh == Console::Attach::kNext) {
            flush_tty(true, false);
            streams_.start_output();
        }
        store_.tty_changed();
        streams_.advance_tty();
    }
    commit();
    trace_.add({Console::Attach::kOpcode, 0, request.fresh});
    Console::Attach::Reply reply{};
    reply.ttys = core().setup.ttys;
    reply.ending = core().exit_asked;
    reply.status = core().exit.status;
    reply.reason = static_cast<u32>(core().exit.reason);
    reply.id = core().last_id;
    reply.written[static_cast<u32>(ConsoleStream::output)] = core().written[index(Channel::output)];
    reply.written[static_cast<u32>(ConsoleStream::error)] = core().written[index(Channel::error)];
    reply.written[static_cast<u32>(ConsoleStream::tty)] = core().tty_accepted;
    call.reply(reply);
}

u32 Service::events() {
    const Core& c = core();
    return c.interrupts + c.quits + c.suspends + c.window_changes + c.hung_up;
}

u32 Service::ready() {
    const auto roomy = [this](Channel channel) {
        return streams_.space(channel) >= kOutgoingSize[index(channel)] / 4;
    };
    const tty::LineDiscipline& discipline = streams_.discipline();
    u32 bits = 0;
    if (streams_.unread(Channel::input) > 0 || core().input_ended != 0) bits |= kConsoleInputReady;
    if (roomy(Channel::output)) bits |= kConsoleOutputReady;
    if (roomy(Channel::error)) bits |= kConsoleErrorReady;
    if (discipline.readable() || core().hung_up != 0) bits |= kConsoleTtyReady;
    if (discipline.poll_in() || core().hung_up != 0) bits |= kConsoleTtyPollIn;
    if (!discipline.output_stopped() && roomy(Channel::tty)) bits |= kConsoleTtyPollOut;
    if (streams_.pending(Channel::tty) == 0) bits |= kConsoleTtyDrained;
    if (core().hung_up != 0) bits |= kConsoleTtyHungUp;
    return bits;
}

void Service::notify_client() {
    if (!client_.valid()) return;
    const u32 present = ready();
    const u32 count = events();
    const bool news = (present & ~told_ready_) != 0 || count != told_events_;
    told_ready_ = present;
    told_events_ = count;
    if (!news) return;
    trace_.add({kNotified, 0, present});
    static_cast<void>(client_.notify(client_bits_));
}

Result<Console::Poll::Reply> Service::handle(const Console::Poll&, Badge badge) {
    if (const Error error = check(badge); error != Error::ok) return error;
    const Core& c = core();
    Console::Poll::Reply reply{};
    reply.ready = ready();
    reply.tty_input = streams_.discipline().input_count();
    reply.tty_output = streams_.pending(Channel::tty);
    reply.interrupts = c.interrupts;
    reply.quits = c.quits;
    reply.suspends = c.suspends;
    reply.window_changes = c.window_changes;
    reply.hang_ups = c.hung_up;
    reply.window = std::bit_cast<ConsoleWindow>(streams_.discipline().window());
    return reply;
}

Result<Console::Write::Reply> Service::handle(const Console::Write& request, Badge badge) {
    if (const Error error = check(badge); error != Error::ok) return error;
    if (request.length > Console::kMaxData) return Error::invalid;
    Channel channel = Channel::tty;
    switch (static_cast<ConsoleStream>(request.stream)) {
        case ConsoleStream::output: channel = Channel::output; break;
        case ConsoleStream::error: channel = Channel::error; break;
        case ConsoleStream::tty: break;
        default: return Error::invalid;
    }
    const u64 accepted = channel == Channel::tty ? core().tty_accepted : core().written[index(channel)];
    if (request.offset > accepted) return Error::invalid;
    const u64 known = accepted - request.offset;  // bytes that are here already
    if (known >= request.length) return Console::Write::Reply{accepted};
    const std::span<const u8> bytes(request.data + known, request.length - known);
    const usize taken = channel == Channel::tty ? streams_.write_tty(bytes) : streams_.append(channel, bytes);
    if (taken < bytes.size()) told_ready_ &= ~(kConsoleOutputReady | kConsoleErrorReady | kConsoleTtyPollOut);
    commit();
    return Console::Write::Reply{accepted + taken};
}

Result<Console::Read::Reply> Service::handle(const Console::Read& request, Badge badge) {
    const Error error = check(badge, request.id, Console::Read::kOpcode);
    if (error == Error::exists) {
        Console::Read::Reply again;
        again.length = core().reply_length;
        again.flags = core().reply_flags;
        memcpy(again.data, store_.state().reply, again.length);
        return again;
    }
    if (error != Error::ok) return error;
    const auto stream = static_cast<ConsoleStream>(request.stream);
    if (stream != ConsoleStream::input && stream != ConsoleStream::tty) return Error::invalid;
    auto result = stream == ConsoleStream::input ? read_input(request) : read_tty(request);
    if (!result.ok()) return result;
    core().reply_length = result->length;
    core().reply_flags = result->flags;
    memcpy(store_.state().reply, result->data, result->length);
    store_.reply_changed();
    done(request.id, Console::Read::kOpcode);
    return result;
}

Result<Console::Read::Reply> Service::read_input(const Console::Read& request) {
    Console::Read::Reply reply;
    const usize most = std::min<usize>(request.count, Console::kMaxData);
    reply.length = static_cast<u32>(streams_.take_input({reply.data, most}));
    reply.flags = 0;
    if (reply.length > 0 || most == 0) return reply;
    if (core().input_ended == 0) return Error::would_block;
    reply.flags = Console::Read::kEnd;
    return reply;
}

Result<Console::Read::Reply> Service::read_tty(const Console::Read& request) {
    Console::Read::Reply reply;
    reply.length = 0;
    reply.flags = 0;
    if (request.count == 0) return reply;
    const usize most = std::min<usize>(request.count, Console::kMaxData);
    const bool last = request.count <= Console::kMaxData;
    tty::LineDiscipline& discipline = streams_.discipline();
    const auto read = discipline.read({reply.data, most}, last);
    if (!read.ready) {
        if (core().hung_up == 0) return Error::would_block;
        reply.flags = Console::Read::kEnd;
        return reply;
    }
    reply.length = static_cast<u32>(read.count);
    if (read.count == 0) reply.flags |= Console::Read::kEnd;
    const bool more_raw = !discipline.read_rule().canonical && !last && discipline.readable();
    if (read.more || more_raw) reply.flags |= Console::Read::kMore;
    store_.tty_changed();
    streams_.advance_tty();
    return reply;
}

Result<Console::GetTermios::Reply> Service::handle(const Console::GetTermios&, Badge badge) {
    if (const Error error = check(badge); error != Error::ok) return error;
    return Console::GetTermios::Reply{std::bit_cast<ConsoleTermios>(streams_.discipline().termios()), 0};
}

Result<Console::SetTermios::Reply> Service::handle(const Console::SetTermios& request, Badge badge) {
    const Error error = check(badge, request.id, Console::SetTermios::kOpcode);
    if (error == Error::exists) return Console::SetTermios::Reply{};
    if (error != Error::ok) return error;
    const auto when = static_cast<tty::When>(request.when);
    if (when > tty::When::drained_and_flushed) return Error::invalid;
    if (when != tty::When::now && streams_.pending(Channel::tty) > 0) {
        told_ready_ &= ~kConsoleTtyDrained;
        return Error::would_block;
    }
    if (when == tty::When::drained_and_flushed) flush_tty(true, false);
    streams_.discipline().set_termios(sanitised(request.termios));
    store_.tty_changed();
    streams_.advance_tty();
    done(request.id, Console::SetTermios::kOpcode);
    return Console::SetTermios::Reply{};
}

void Service::flush_tty(bool input, bool output) {
    if (input) {
        core().consumed[index(Channel::tty)] = core().arrived[index(Channel::tty)];
        streams_.discipline().flush_input();
        store_.tty_changed();
    }
    if (output) streams_.discard_output();
}

Result<Console::Flush::Reply> Service::handle(const Console::Flush& request, Badge badge) {
    const Error error = check(badge, request.id, Console::Flush::kOpcode);
    if (error == Error::exists) return Console::Flush::Reply{};
    if (error != Error::ok) return error;
    if (request.queue > static_cast<u64>(tty::Queue::both)) return Error::invalid;
    const auto queue = static_cast<tty::Queue>(request.queue);
    flush_tty(queue != tty::Queue::output, queue != tty::Queue::input);
    done(request.id, Console::Flush::kOpcode);
    return Console::Flush::Reply{};
}

Result<Console::Flow::Reply> Service::handle(const Console::Flow& request, Badge badge) {
    const Error error = check(badge, request.id, Console::Flow::kOpcode);
    if (error == Error::exists) return Console::Flow::Reply{};
    if (error != Error::ok) return error;
    tty::LineDiscipline& discipline = streams_.discipline();
    const auto send = [&](u32 control) {
        const u8 byte = discipline.termios().control[control];
        if (byte != tty::kDisabled) streams_.append(Channel::tty, {&byte, 1});
    };
    switch (request.action) {
        case static_cast<u64>(tty::Flow::output_off): discipline.stop_output(); break;
        case static_cast<u64>(tty::Flow::output_on): streams_.start_output(); break;
        case static_cast<u64>(tty::Flow::input_off): send(tty::kVstop); break;
        case static_cast<u64>(tty::Flow::input_on): send(tty::kVstart); break;
        default: return Error::invalid;
    }
    done(request.id, Console::Flow::kOpcode);
    return Console::Flow::Reply{};
}

Result<Console::SetWindow::Reply> Service::handle(const Console::SetWindow& request, Badge badge) {
    if (const Error error = check(badge); error != Error::ok) return error;
    const bool changed = streams_.discipline().set_window(std::bit_cast<tty::WindowSize>(request.window));
    if (changed) ++core().window_changes;
    commit();
    return Console::SetWindow::Reply{changed ? u64{1} : u64{0}};
}

Result<Console::Ready::Reply> Service::handle(const Console::Ready&, Badge badge) {
    if (const Error error = check(badge); error != Error::ok) return error;
    const mux::Ready ready{__builtin_ia32_rdtsc() - info_page().entry_tsc};
    const std::span bytes(reinterpret_cast<const u8*>(&ready), sizeof(ready));
    if (core().ready_sent == 0 && (plain() || streams_.append_control(mux::ControlKind::ready, bytes))) {
        core().ready_sent = 1;
    }
    commit();
    return Console::Ready::Reply{};
}

Result<Console::Report::Reply> Service::handle(const Console::Report& request, Badge badge) {
    if (const Error error = check(badge); error != Error::ok) return error;
    if (request.length > Console::Report::kMaxText || request.index > core().reports) return Error::invalid;
    if (request.index < core().reports) return Console::Report::Reply{};
    const std::span bytes(reinterpret_cast<const u8*>(request.text), request.length);
    if (plain()) {
        static constexpr u8 kLineEnd[] = {'\r', '\n'};
        if (streams_.space(Channel::tty) < bytes.size() + sizeof(kLineEnd)) return Error::would_block;
        streams_.append(Channel::tty, bytes);
        streams_.append(Channel::tty, kLineEnd);
    } else if (!streams_.append_control(mux::ControlKind::report_line, bytes)) {
        return Error::would_block;
    }
    ++core().reports;
    commit();
    return Console::Report::Reply{};
}

void Service::handle(const Console::Exit& request, Request<Console::Exit> call) {
    if (const Error error = check(call.badge()); error != Error::ok) return call.fail(error);
    if (request.reason > static_cast<u32>(mux::ExitReason::panic)) return call.fail(Error::invalid);
    if (core().exit_asked == 0) {
        core().exit = {request.status & 0xff, static_cast<mux::ExitReason>(request.reason)};
        core().exit_asked = 1;
        commit();
    }
    exit_call_ = std::move(call);
    exit_limit_ = now() + kHostPatience;
}

}  // namespace pith::console
