// SPDX-License-Identifier: MIT
// What the server knows of its client after its own death, besides the names: how far it has come, and what it was about to do. In preserved memory,
// twice: a new content is written beside the old one.
#pragma once

#include <span>

#include "abi/types.hpp"

namespace pith::virtio_9p {

/// A change that, once done, fails when it is done again. Written when it is known that it can be done, before the host is asked for it: so who finds it
/// done, and has this, knows by whom.
struct Intent {
    u64 change;    ///< its number; 0: none
    u64 digest;    ///< of what it is
    u64 subject;   ///< the file that is moved or removed
    u64 replaced;  ///< the file that it takes the place of; 0: none
};

struct Content {
    u64 session;
    u64 committed;  ///< the number of the last change that was carried out, with all before it
    Intent intent;
};

class State {
  public:
    static constexpr usize kSize = 256;
    /// Takes up what is in `memory`, kSize bytes.
    explicit State(std::span<u8> memory);
    const Content& operator*() const { return content_; }
    const Content* operator->() const { return &content_; }
    void set(const Content& content);
    void set_committed(u64 number) {
        Content next = content_;
        next.committed = number;
        set(next);
    }
    void set_intent(const Intent& intent) {
        Content next = content_;
        next.intent = intent;
        set(next);
    }

  private:
    struct Copy {
        u64 sequence;
        Content content;
        u64 checksum;
    };
    static_assert(2 * sizeof(Copy) <= kSize);
    static u64 checksum(const Copy& copy);
    Copy* copies_;
    u64 sequence_ = 0;
    Content content_{};
};

}  // namespace pith::virtio_9p
