// SPDX-License-Identifier: MIT
// The naming service, spoken through the "supervisor" capability: a component asks for a protocol by the name
// in its manifest and gets what its route says. What a manifest names is also in the StartInfo from the
// start.
#pragma once

#include "protocol/process.hpp"

namespace pith {

struct Name {
    static constexpr const char* kName = "name";

    /// A capability to the service that supplies `name` to the caller. Reply: one Endpoint (send, copy).
    /// not_found: the caller's manifest does not need it. Idempotent.
    struct Lookup {
        static constexpr u16 kOpcode = 16;
        char name[kNameSize];
        struct Reply {};
    };
    using Methods = MethodList<Lookup>;
};

}  // namespace pith
