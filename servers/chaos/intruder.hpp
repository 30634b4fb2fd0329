// SPDX-License-Identifier: MIT
// Reads and writes the memory of another component: a thread of ours that lives in its Space for as long as it takes to
// copy some bytes. What it may not read or write there ends it, and nothing else. Code can't be written there, as nowhere
// (W^X): a changed copy of its pages is mapped in its place.
#pragma once

#include <span>
#include <vector>

#include "lib/os/mapping.hpp"

namespace pith::chaos {

class Intruder {
  public:
    static constexpr usize kMost = 2 * abi::kPageSize;  ///< bytes at once

    /// Into the Space; it stays as long as the object lives.
    static Result<Intruder> enter(const Handle<Space>& space);
    Intruder(Intruder&&) noexcept = default;
    ~Intruder();

    /// Errors: access: not mapped, or not so.
    Result<> read(u64 address, std::span<u8> out);
    Result<> write(u64 address, std::span<const u8> bytes);
    /// Puts `bytes` in place of the code at `address`; the Memory that holds it then is added to `keep`: its end is the
    /// end of the mapping.
    Result<> patch(u64 address, std::span<const u8> bytes, std::vector<Owned<Memory>>& keep);

  private:
    Intruder(const Handle<Space>& space) : space_(&space) {}
    Result<> copy(u64 from, u64 to, u64 length);

    const Handle<Space>* space_;
    MappedMemory memory_;  ///< page 0 its code, page 1 its message buffer, then what is copied
    Handle<Endpoint> ends_;
    bool mapped_ = false;
};

}  // namespace pith::chaos
