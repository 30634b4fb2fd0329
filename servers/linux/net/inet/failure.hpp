// SPDX-License-Identifier: MIT
// What a program is told of a failure that the stack tells of.
#pragma once

#include "protocol/net.hpp"
#include "servers/linux/errno.hpp"

namespace pith::lx {

constexpr Errno errno_of(Net::Failure failure) {
    switch (failure) {
        case Net::Failure::none: return Errno::ok;
        case Net::Failure::refused: return Errno::ECONNREFUSED;
        case Net::Failure::reset:
        case Net::Failure::broken: return Errno::ECONNRESET;
        case Net::Failure::timed_out: return Errno::ETIMEDOUT;
        case Net::Failure::unreachable: return Errno::ENETUNREACH;
        case Net::Failure::host_unreachable: return Errno::EHOSTUNREACH;
        case Net::Failure::in_use: return Errno::EADDRINUSE;
        case Net::Failure::not_local: return Errno::EADDRNOTAVAIL;
        case Net::Failure::no_memory: return Errno::ENOBUFS;
        case Net::Failure::too_long: return Errno::EMSGSIZE;
    }
    return Errno::EIO;
}

}  // namespace pith::lx
