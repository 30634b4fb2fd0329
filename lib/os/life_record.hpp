// SPDX-License-Identifier: MIT
// LifeRecord: what a component leaves for the report of its death (servers/supervisor/crash.cpp): when it began to serve, and the last
// requests that its event loop received. It is behind the message buffer of the first thread, on the same page, which each message touches
// anyway. Whoever reads another's believes nothing of it.
#pragma once

#include "abi/message.hpp"
#include "lib/os/start_info.hpp"

namespace pith {

struct LifeMessage {
    u64 tag;
    u64 badge;
    u64 words[2];  ///< the first two
};

inline constexpr usize kLifeMessages = 32;  // a power of two

struct LifeRecord {
    abi::Time serving;  ///< when the event loop began; 0: not yet
    u64 count;          ///< requests received
    LifeMessage messages[kLifeMessages];

    void add(u64 tag, u64 badge, u64 word0, u64 word1) {
        messages[count++ % kLifeMessages] = {tag, badge, {word0, word1}};
    }
};

inline constexpr u64 kLifeRecordOffset = abi::kBufferSize;  ///< in the buffer's page
static_assert(kLifeRecordOffset + sizeof(LifeRecord) <= abi::kPageSize);

inline LifeRecord& own_life_record() {
    return *reinterpret_cast<LifeRecord*>(kFirstBuffer + kLifeRecordOffset);
}

}  // namespace pith
