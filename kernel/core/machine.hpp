// SPDX-License-Identifier: MIT
// Machine: root's authority over the machine itself. There is one.
#pragma once

#include "abi/boot.hpp"
#include "kernel/core/object.hpp"

namespace pith::core {

class Machine : public Object {
  public:
    static constexpr ObjectType kType = ObjectType::machine;
    Machine() : Object(kType) {}
};

/// The kernel's own mapping of the InfoPage.
extern abi::InfoPage* info_page;
/// The Pool that everything comes from.
extern Pool* root_pool;
/// Ticks as nanoseconds.
u64 ticks_to_nanoseconds(u64 ticks);

}  // namespace pith::core
