// SPDX-License-Identifier: MIT
// The protocol of the component whose memory a wild device is aimed at, and whose disk has to go on meanwhile.
#pragma once

#include "abi/types.hpp"
#include "protocol/ipc.hpp"

namespace pith::test {

/// What is in its page.
constexpr u64 canary(u64 word) { return (word + 1) * 0x9e37'79b9'7f4a'7c15; }
inline constexpr u64 kCanaryWords = abi::kPageSize / sizeof(u64);

struct Bystander {
    static constexpr const char* kName = "bystander";

    struct Look {
        static constexpr u16 kOpcode = 1;
        struct Reply {
            u64 address;   ///< physical, of its page
            u64 spoilt;    ///< words of it that are not as they were
            u64 requests;  ///< that its disk has done
            u64 errors;    ///< that it got, and sectors with other content than was written
        };
    };
    using Methods = MethodList<Look>;
};

}  // namespace pith::test
