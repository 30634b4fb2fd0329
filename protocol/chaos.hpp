// SPDX-License-Identifier: MIT
// The component that kills others on purpose, in systems that name it (./pith run --chaos): it acts while the command of
// a run lives, and tells afterwards what it did. All methods are idempotent, and may be sent again.
#pragma once

#include "protocol/ipc.hpp"

namespace pith {

struct Chaos {
    static constexpr const char* kName = "chaos";
    static constexpr usize kMaxLine = 200;

    /// The command's first instruction is about to run: it begins.
    struct Begin {
        static constexpr u16 kOpcode = 1;
        struct Reply {};
    };
    /// The command has ended: nothing more is done to anybody. Answered when what was hit last serves again or is given
    /// up. `lines`: how long the report is; 0: it never began.
    struct End {
        static constexpr u16 kOpcode = 2;
        struct Reply {
            u64 lines;
        };
    };
    /// A line of the report, counted from 0, without a newline. Errors: not_found: there is none; bad_state: not yet.
    struct Line {
        static constexpr u16 kOpcode = 3;
        u64 index;
        struct Reply {
            u64 length;
            char text[kMaxLine];
            usize payload_size() const { return 8 + (length < kMaxLine ? length : kMaxLine); }
        };
    };
    using Methods = MethodList<Begin, End, Line>;
};

}  // namespace pith
