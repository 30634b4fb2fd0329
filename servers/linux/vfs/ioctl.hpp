// SPDX-License-Identifier: MIT
// Numbers of Linux's ioctls.
#pragma once

#include "abi/types.hpp"

namespace pith::lx {

inline constexpr u32 kTcgets = 0x5401, kTcsets = 0x5402, kTcsetsw = 0x5403, kTcsetsf = 0x5404,
                     kTcgeta = 0x5405;
inline constexpr u32 kTcsbrk = 0x5409, kTcxonc = 0x540a, kTcflsh = 0x540b, kTiocexcl = 0x540c,
                     kTiocnxcl = 0x540d;
inline constexpr u32 kTiocsctty = 0x540e, kTiocgpgrp = 0x540f, kTiocspgrp = 0x5410, kTiocoutq = 0x5411;
inline constexpr u32 kTiocsti = 0x5412, kTiocgwinsz = 0x5413, kTiocswinsz = 0x5414, kTiocmget = 0x5415;
inline constexpr u32 kFionread = 0x541b, kTioccons = 0x541d, kTiocpkt = 0x5420, kFionbio = 0x5421;
inline constexpr u32 kTiocnotty = 0x5422, kTiocsetd = 0x5423, kTiocgetd = 0x5424, kTcsbrkp = 0x5425;
inline constexpr u32 kTiocgsid = 0x5429, kTcgets2 = 0x802c542a, kTcsets2 = 0x402c542b, kTcsetsw2 = 0x402c542c;
inline constexpr u32 kTcsetsf2 = 0x402c542d, kTiocgptn = 0x80045430, kTiocsptlck = 0x40045431;
inline constexpr u32 kTiocgptpeer = 0x5441, kTiocgptlck = 0x80045439, kTiocgpkt = 0x80045438;
inline constexpr u32 kFionclex = 0x5450, kFioclex = 0x5451, kFioasync = 0x5452, kFioqsize = 0x5460;
inline constexpr u32 kFiosetown = 0x8901, kSiocspgrp = 0x8902, kFiogetown = 0x8903, kSiocgpgrp = 0x8904;
inline constexpr u32 kSiocatmark = 0x8905;
inline constexpr u32 kFigetbsz = 2;
inline constexpr u32 kVtGetstate = 0x5603, kKdgkbmode = 0x4b44, kKdgetmode = 0x4b3b, kTioclinux = 0x541c;
inline constexpr u32 kBlkroset = 0x125d, kBlkroget = 0x125e, kBlkrrpart = 0x125f, kBlkgetsize = 0x1260;
inline constexpr u32 kBlkflsbuf = 0x1261, kBlkraget = 0x1263, kBlksectget = 0x1267, kBlksszget = 0x1268;
inline constexpr u32 kBlkdiscard = 0x1277, kBlkiomin = 0x1278, kBlkioopt = 0x1279, kBlkalignoff = 0x127a;
inline constexpr u32 kBlkpbszget = 0x127b, kBlkrotational = 0x127e, kBlkzeroout = 0x127f;
inline constexpr u32 kBlkbszget = 0x80081270, kBlkgetsize64 = 0x80081272, kHdioGetgeo = 0x0301;

}  // namespace pith::lx
