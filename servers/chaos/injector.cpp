// SPDX-License-Identifier: MIT
#include "servers/chaos/injector.hpp"

namespace pith::chaos {

Result<> Injector::inject(Fault, Insides&) { return Error::unsupported; }
void Injector::clean_up() {}

}  // namespace pith::chaos
