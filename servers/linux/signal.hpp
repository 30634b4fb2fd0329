// SPDX-License-Identifier: MIT
// Signals: numbers, sets, what is known of one that was sent, and what a process does about each.
#pragma once

#include <deque>

#include "servers/linux/errno.hpp"
#include "servers/linux/ref.hpp"

namespace pith::lx {

enum Signo : i32 {
    kSigHup = 1,
    kSigInt,
    kSigQuit,
    kSigIll,
    kSigTrap,
    kSigAbrt,
    kSigBus,
    kSigFpe,
    kSigKill,
    kSigUsr1,
    kSigSegv,
    kSigUsr2,
    kSigPipe,
    kSigAlrm,
    kSigTerm,
    kSigStkFlt,
    kSigChld,
    kSigCont,
    kSigStop,
    kSigTstp,
    kSigTtin,
    kSigTtou,
    kSigUrg,
    kSigXcpu,
    kSigXfsz,
    kSigVtalrm,
    kSigProf,
    kSigWinch,
    kSigIo,
    kSigPwr,
    kSigSys,
    kSigRealtime = 32,
};
inline constexpr i32 kSignals = 64;

/// Bit n - 1 is signal n.
using SigSet = u64;
constexpr SigSet sig_bit(i32 signo) { return u64{1} << (signo - 1); }
inline constexpr SigSet kUnblockable = sig_bit(kSigKill) | sig_bit(kSigStop);
inline constexpr SigSet kStopSignals = sig_bit(kSigStop) | sig_bit(kSigTstp) | sig_bit(kSigTtin) |
                                       sig_bit(kSigTtou);
inline constexpr SigSet kSynchronous = sig_bit(kSigSegv) | sig_bit(kSigBus) | sig_bit(kSigIll) |
                                       sig_bit(kSigTrap) | sig_bit(kSigFpe) | sig_bit(kSigSys);
inline constexpr SigSet kIgnoredByDefault = sig_bit(kSigCont) | sig_bit(kSigChld) | sig_bit(kSigWinch) |
                                            sig_bit(kSigUrg);

// si_code
inline constexpr i32 kSiUser = 0, kSiKernel = 0x80, kSiQueue = -1, kSiTimer = -2, kSiTkill = -6;
inline constexpr i32 kSegvMapErr = 1, kSegvAccErr = 2, kBusAdrErr = 2;
inline constexpr i32 kCldExited = 1, kCldKilled = 2, kCldDumped = 3, kCldTrapped = 4, kCldStopped = 5,
                     kCldContinued = 6;

/// siginfo_t as programs see it (128 bytes).
struct SigInfo {
    i32 signo = 0;
    i32 error = 0;
    i32 code = 0;
    i32 pad = 0;
    union {
        struct {
            i32 pid;
            u32 uid;
            u64 value;
        } sent;  ///< kill, sigqueue
        struct {
            i32 pid;
            u32 uid;
            i32 status;
            i32 pad;
            i64 utime, stime;
        } child;
        struct {
            u64 address;
            u64 pad[2];
        } fault;
        struct {
            i32 id;
            i32 overrun;
            u64 value;
        } timer;
        struct {
            i64 band;
            i32 fd;
        } poll;
        u64 words[14] = {};
    };

    static SigInfo kernel(i32 signo) {
        SigInfo info;
        info.signo = signo;
        info.code = kSiKernel;
        return info;
    }
};
static_assert(sizeof(SigInfo) == 128);

/// Signals that wait to be handled: of a thread, or of a whole process.
class PendingSignals {
  public:
    SigSet set() const { return set_; }
    /// False if it was there already (standard signals do not queue), or the queue is full (EAGAIN for real-time).
    bool add(const SigInfo& info);
    /// Takes the first of `which`, synchronous ones first, then by number.
    bool take(SigSet which, SigInfo& info);
    void discard(SigSet which);

  private:
    SigSet set_ = 0;
    std::deque<SigInfo> queue_;
};

/// struct sigaction as the kernel's interface has it.
struct SigAction {
    u64 handler = 0;  ///< kSigDefault, kSigIgnore, or an address
    u64 flags = 0;
    u64 restorer = 0;
    SigSet mask = 0;
};
static_assert(sizeof(SigAction) == 32);
inline constexpr u64 kSigDefault = 0, kSigIgnore = 1;
inline constexpr u64 kSaNoCldStop = 1, kSaNoCldWait = 2, kSaSigInfo = 4, kSaRestorer = 0x0400'0000,
                     kSaOnStack = 0x0800'0000, kSaRestart = 0x1000'0000, kSaNoDefer = 0x4000'0000,
                     kSaResetHand = 0x8000'0000;

/// The actions of a process (CLONE_SIGHAND shares them).
class SignalActions : public RefCounted {
  public:
    SigAction actions[kSignals];
    SigAction& operator[](i32 signo) { return actions[signo - 1]; }
};

}  // namespace pith::lx
