// SPDX-License-Identifier: MIT
// The protocol of the component that tests of the supervisor let die in different ways.
#pragma once

#include "protocol/ipc.hpp"

namespace pith::test {

enum class Death : u64 {
    read_null,
    write_code,
    execute_data,
    panic,
    exit,
    spin,
    stuck,
    undefined,
    stack,
    memory
};

struct Victim {
    static constexpr const char* kName = "victim";

    /// Adds to a sum in preserved Memory, once for each id.
    struct Add {
        static constexpr u16 kOpcode = 1;
        u64 id;
        u64 value;
        struct Reply {
            u64 sum;
            u64 generation;
        };
    };
    /// Answered after `delay` nanoseconds, with a payload that goes through the message buffer.
    struct Slow {
        static constexpr u16 kOpcode = 2;
        u64 delay;
        u64 data[60];
        struct Reply {
            u64 data[60];
        };
    };
    /// Dies.
    struct Die {
        static constexpr u16 kOpcode = 3;
        u64 how;
        struct Reply {};
    };
    using Methods = MethodList<Add, Slow, Die>;
};

}  // namespace pith::test
