// SPDX-License-Identifier: MIT
// The ioctls of terminals.
#include <cstring>

#include "servers/linux/vfs/ioctl.hpp"
#include "servers/linux/vfs/tty/tty.hpp"
#include "servers/linux/zone.hpp"

namespace pith::lx {

namespace {

/// struct termio, of TCGETA and its relatives.
struct OldTermio {
    u16 input, output, hardware, local;
    u8 line;
    u8 control[8];
    u8 padding;
};

Task<SysResult<u64>> set_when_drained(Thread& thread, Ref<Tty> tty, tty::When when, tty::Termios termios) {
    while (true) {
        const SysResult<> done = tty->set_termios(when, termios);
        if (done.ok()) co_return u64{0};
        if (done.error() != Errno::EAGAIN) co_return done.error();
        PITH_CO_CHECK(co_await wait_on(thread, tty->output_queue));
    }
}

Task<SysResult<u64>> wait_drained(Thread& thread, Ref<Tty> tty) {
    while (!tty->drained() && !tty->hung_up) PITH_CO_CHECK(co_await wait_on(thread, tty->output_queue));
    co_return u64{0};
}

/// Which of the TCSET family, and how much of the structure it takes.
struct SetCommand {
    tty::When when;
    usize size;
};

bool find_set_command(u32 command, SetCommand& found) {
    using tty::When;
    switch (command) {
        case kTcsets: found = {When::now, tty::kOldTermiosSize}; return true;
        case kTcsetsw: found = {When::drained, tty::kOldTermiosSize}; return true;
        case kTcsetsf: found = {When::drained_and_flushed, tty::kOldTermiosSize}; return true;
        case kTcsets2: found = {When::now, sizeof(tty::Termios)}; return true;
        case kTcsetsw2: found = {When::drained, sizeof(tty::Termios)}; return true;
        case kTcsetsf2: found = {When::drained_and_flushed, sizeof(tty::Termios)}; return true;
        default: return false;
    }
}

}  // namespace

Async<u64> Tty::termios_ioctl(Thread& thread, u32 command, u64 argument) {
    tty::Termios settings = termios();
    if (command == kTcgets) {
        PITH_CHECK(copy_out(thread, argument, &settings, tty::kOldTermiosSize));
        return u64{0};
    }
    if (command == kTcgets2) {
        PITH_CHECK(put(thread, argument, settings));
        return u64{0};
    }
    if (command == kTcgeta) {
        OldTermio old{};
        old.input = static_cast<u16>(settings.input);
        old.output = static_cast<u16>(settings.output);
        old.hardware = static_cast<u16>(settings.hardware);
        old.local = static_cast<u16>(settings.local);
        old.line = settings.line;
        std::memcpy(old.control, settings.control, sizeof old.control);
        PITH_CHECK(put(thread, argument, old));
        return u64{0};
    }
    SetCommand set;
    if (!find_set_command(command, set)) return Errno::ENOTTY;
    PITH_CHECK(check_foreground(thread, kSigTtou));
    PITH_CHECK(copy_in(thread, &settings, argument, set.size));
    const SysResult<> done = set_termios(set.when, settings);
    if (done.ok()) return u64{0};
    if (done.error() != Errno::EAGAIN) return done.error();
    return set_when_drained(thread, Ref<Tty>(this), set.when, settings);
}

SysResult<> Tty::set_controlling(Thread& thread, TtyFile& file, bool steal) {
    Process& process = thread.process;
    if (process.session == process.pid && session == process.session && process.tty == this) return {};
    if (process.session != process.pid || process.tty != nullptr) return Errno::EPERM;
    if (session != 0) {
        if (!steal || process.credentials.euid != 0) return Errno::EPERM;
        zone.detach_tty(session);
    }
    if (!file.readable() && process.credentials.euid != 0) return Errno::EPERM;
    take_session(process);
    return {};
}

SysResult<> Tty::set_foreground(Thread& thread, u64 argument) {
    const SysResult<> allowed = check_foreground(thread, kSigTtou);
    if (!allowed.ok()) return allowed.error() == Errno::EIO ? SysResult<>(Errno::ENOTTY) : allowed;
    const Process& process = thread.process;
    if (process.tty != this || session != process.session) return Errno::ENOTTY;
    const i32 group = PITH_TRY(get<i32>(thread, argument));
    if (group < 0) return Errno::EINVAL;
    bool exists = false;
    for (auto& [pid, other] : zone.processes) exists = exists || other->group == group;
    if (!exists) return Errno::ESRCH;
    if (!zone.group_in_session(group, session)) return Errno::EPERM;
    foreground = group;
    return {};
}

Async<u64> Tty::session_ioctl(Thread& thread, TtyFile& file, u32 command, u64 argument) {
    Process& process = thread.process;
    switch (command) {
        case kTiocsctty: PITH_CHECK(set_controlling(thread, file, argument == 1)); return u64{0};
        case kTiocnotty:
            if (process.tty != this) return Errno::ENOTTY;
            if (process.session == process.pid) tty_session_ended(process);
            else process.tty = nullptr;
            return u64{0};
        case kTiocgpgrp:
            if (process.tty != this) return Errno::ENOTTY;
            PITH_CHECK(put(thread, argument, foreground));
            return u64{0};
        case kTiocspgrp: PITH_CHECK(set_foreground(thread, argument)); return u64{0};
        case kTiocgsid:
            if (process.tty != this || session == 0) return Errno::ENOTTY;
            PITH_CHECK(put(thread, argument, session));
            return u64{0};
        default: return Errno::ENOTTY;
    }
}

Async<u64> Tty::ioctl(Thread& thread, TtyFile& file, u32 command, u64 argument) {
    if (hung_up) return command == kTiocspgrp ? Errno::ENOTTY : Errno::EIO;
    switch (command) {
        case kTiocgwinsz:
            return [&]() -> SysResult<u64> {
                PITH_CHECK(put(thread, argument, window()));
                return u64{0};
            }();
        case kTiocswinsz: {
            const auto size = PITH_TRY(get<tty::WindowSize>(thread, argument));
            if (set_window(size)) signal_foreground(kSigWinch);
            return u64{0};
        }
        case kFionread: PITH_CHECK(put(thread, argument, input_count())); return u64{0};
        case kTiocoutq: PITH_CHECK(put(thread, argument, output_count())); return u64{0};
        case kTcflsh:
            PITH_CHECK(check_foreground(thread, kSigTtou));
            if (argument > 2) return Errno::EINVAL;
            PITH_CHECK(flush(static_cast<tty::Queue>(argument)));
            return u64{0};
        case kTcxonc:
            PITH_CHECK(check_foreground(thread, kSigTtou));
            if (argument > 3) return Errno::EINVAL;
            PITH_CHECK(flow(static_cast<tty::Flow>(argument)));
            return u64{0};
        case kTcsbrk:
        case kTcsbrkp:
            PITH_CHECK(check_foreground(thread, kSigTtou));
            if (drained()) return u64{0};
            return wait_drained(thread, Ref<Tty>(this));
        case kTiocexcl: exclusive = true; return u64{0};
        case kTiocnxcl: exclusive = false; return u64{0};
        case kTiocgetd: PITH_CHECK(put(thread, argument, i32{0})); return u64{0};
        case kTiocsetd:
            return PITH_TRY(get<i32>(thread, argument)) == 0 ? Async<u64>(u64{0}) : Async<u64>(Errno::EINVAL);
        case kTiocsctty:
        case kTiocnotty:
        case kTiocgpgrp:
        case kTiocspgrp:
        case kTiocgsid: return session_ioctl(thread, file, command, argument);
        default: break;
    }
    Async<u64> common = termios_ioctl(thread, command, argument);
    if (!common.ready()) return common;
    SysResult<u64> result = common.take();
    if (result.ok() || result.error() != Errno::ENOTTY) return result;
    return own_ioctl(thread, file, command, argument);
}

}  // namespace pith::lx
