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
    /// Which one of its versions it is.
    struct Version {
        static constexpr u16 kOpcode = 4;
        struct Reply {
            u64 version;
        };
    };
    using Methods = MethodList<Add, Slow, Die, Version>;
};

/// Versions of the victim: a word of its executable, which tests of updates change.
inline constexpr u64 kVersionPattern = 0x5f76'6963'7469'6d00;
inline constexpr u64 kOriginalVersion = kVersionPattern | 1;
inline constexpr u64 kNextVersion = kVersionPattern | 2;
inline constexpr u64 kSpoilingVersion = kVersionPattern |
                                        3;  ///< spoils its preserved state, and dies at its start
inline constexpr u64 kDyingVersion = kVersionPattern | 4;   ///< dies at its second request
inline constexpr u64 kSilentVersion = kVersionPattern | 5;  ///< never comes to its event loop

}  // namespace pith::test
