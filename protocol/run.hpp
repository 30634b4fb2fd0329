// SPDX-License-Identifier: MIT
// The bundle entry "run/config": what one run is to do. `./pith` writes it, the console server and the Linux server
// read it.
//
// Records "key=value", each ended by a NUL byte; the key has no '='; a key that a reader does not know is skipped.
// Numbers are decimal. Keys that may be absent have the default that is named here.
//
//   arg      one argument of the command, in order; none at all: an interactive shell (a login shell on the tty)
//   env      "NAME=value", one variable of the command's environment; beyond PATH, HOME, USER and TERM
//   stdin, stdout, stderr   "tty" or "stream": where descriptors 0, 1 and 2 lead (protocol/mux.hpp: channel tty, or
//            channels input, output, error). Default: stream
//   rows, columns   of the terminal at the start. Default: 24 and 80
//   term     value of TERM. Default: dumb
//   root     device with the root file system, such as /dev/vda1. Default: the bundle has it
//   share    where the folder that is shared with the host is to be: /share. Default: there is none
//   log      "1": the system log is wanted on channel log. Default: 0
//   chaos    milliseconds from one fault to the next, for the component chaos. Default: it does nothing
//   chaos_target, chaos_spared, chaos_fault   whom it hits, whom not, and how (docs/fault_injection.md), each repeatable. Default: all, kill
//   chaos_log    "1": each fault is told. Default: 0
//   chaos_seed   of its choices, 32 bits. Default: of `seed`
//   clock    "skips": idle time is skipped (--icount), so that the host may not have had a moment of it. Default: it is the host's time
//   seed     64 hexadecimal digits of entropy from the host (fixed with --icount)
//   epoch    nanoseconds since 1970 (UTC) when the machine was started (fixed with --icount)
#pragma once

#include <optional>
#include <string_view>

#include "abi/types.hpp"

namespace pith::run {

inline constexpr std::string_view kConfigName = "run/config";

struct Record {
    std::string_view key;
    std::string_view value;
};

/// Takes the next well-formed record off `bytes`; nothing when there is none left. A malformed one is skipped.
constexpr std::optional<Record> next_record(std::string_view& bytes) {
    while (!bytes.empty()) {
        const usize end = bytes.find('\0');
        if (end == std::string_view::npos) return std::nullopt;
        const std::string_view record = bytes.substr(0, end);
        bytes.remove_prefix(end + 1);
        const usize equals = record.find('=');
        if (equals == std::string_view::npos || equals == 0) continue;
        return Record{record.substr(0, equals), record.substr(equals + 1)};
    }
    return std::nullopt;
}

}  // namespace pith::run
