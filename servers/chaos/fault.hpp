// SPDX-License-Identifier: MIT
// The faults that can be injected (docs/fault_injection.md), by name.
#pragma once

#include <optional>
#include <string_view>

#include "abi/types.hpp"

namespace pith::chaos {

enum class Fault : u8 {
    kill,           ///< it is ended by order
    kill_again,     ///< and once more while it recovers
    both,           ///< it reads address 0, and the supervisor while it deals with that
    exit,           ///< it ends in order, which it should not
    null,           ///< reads address 0
    wild,           ///< writes to a random address
    execute,        ///< runs into data
    loop,           ///< spins
    deadlock,       ///< waits for what never comes
    stack,          ///< recurses without end
    wrong_replies,  ///< answers requests with nonsense
    no_replies,     ///< takes requests and answers none
    storm,          ///< its Signal is raised without cause, as by a device that does not stop
    pool,           ///< somebody uses up its run Pool
    registers,      ///< a bit of what is on top of its stack: saved registers, return addresses
    code,           ///< a bit of the code around where it is
    data,           ///< a bit of its data, heap or stack
    heap,           ///< 64 bytes of its heap
    shared,         ///< 64 bytes of what it shares with peers or its device: Queues, windows, descriptors
    count
};

inline constexpr usize kFaults = static_cast<usize>(Fault::count);

std::string_view name_of(Fault fault);
std::optional<Fault> find_fault(std::string_view name);
/// One that happens when the component runs next.
constexpr bool done_by_code(Fault fault) { return fault >= Fault::exit && fault <= Fault::no_replies; }
/// One that a component may not notice, and that may spoil what it is trusted with: counted apart.
constexpr bool silent(Fault fault) { return fault >= Fault::registers; }

}  // namespace pith::chaos
