// SPDX-License-Identifier: MIT
// Carries a fault out on one life of a component.
#pragma once

#include "servers/chaos/random.hpp"
#include "servers/chaos/target.hpp"

namespace pith::chaos {

class Injector {
  public:
    explicit Injector(Random& random) : random_(random) {}
    /// Errors: unsupported: there is no way to do it (now).
    Result<> inject(Fault fault, Insides& insides);
    /// The life is over, or not of interest any more: what was made for it goes.
    void clean_up();

  private:
    [[maybe_unused]] Random& random_;
};

}  // namespace pith::chaos
