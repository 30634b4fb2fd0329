// SPDX-License-Identifier: MIT
// What the operations of messages are called: a system's composition says which protocols a component provides, and
// their headers which opcode is which method.
#pragma once

#include <map>
#include <span>
#include <string>

#include "abi/types.hpp"

namespace pith::tools {

inline constexpr u64 kSupervisorNumber = 0x7f'ffff;  ///< in names of the trace
inline constexpr u64 kRootNumber = 0x7f'fffe;

class Protocols {
  public:
    /// Of a boot bundle; one without a system is that of root alone.
    explicit Protocols(std::span<const u8> bundle);
    /// Without one: root's and the supervisor's own.
    Protocols() : Protocols(std::span<const u8>()) {}
    /// "Console.Write", or "#3" if that is not known or could be several.
    std::string method(u64 component, u32 operation) const;

  private:
    void add(u64 component, std::string_view protocol);
    std::map<std::pair<u64, u32>, std::string> methods_;  // empty: there are several
};

}  // namespace pith::tools
