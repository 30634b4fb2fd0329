// SPDX-License-Identifier: MIT
// Finding root in the boot bundle, and its segments in its ELF file (ELF-64 1.5, static executables only).
// The bundle is trusted to be what the build made, but a broken one is reported, not followed.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "abi/boot.hpp"
#include "lib/base/result.hpp"

namespace pith::core {

using Bytes = std::span<const char>;

/// The content of a file of the bundle; the last of that name counts. not_found, invalid.
Result<Bytes> find_in_bundle(Bytes bundle, std::string_view name);

struct ElfSegment {
    u64 address;
    u64 memory_size;
    const char* content;
    u64 file_size;
    u32 rights;  ///< kMap bits
};

class ElfImage {
  public:
    /// invalid: not a static executable for this machine, or one that reaches out of its file or of user
    /// space.
    static Result<ElfImage> parse(Bytes file);
    std::span<const ElfSegment> segments() const { return {segments_.data(), count_}; }
    u64 entry() const { return entry_; }

  private:
    static constexpr usize kMaxSegments = 8;
    std::array<ElfSegment, kMaxSegments> segments_{};
    usize count_ = 0;
    u64 entry_ = 0;
};

}  // namespace pith::core
