// SPDX-License-Identifier: MIT
// Reading the boot bundle (abi/boot.hpp), which is mapped somewhere. Everything read from it is checked: a
// damaged bundle is an error, never a wild access. Where a name occurs twice, the last one counts.
#pragma once

#include <span>
#include <string_view>

#include "abi/boot.hpp"
#include "lib/base/result.hpp"
#include "lib/os/callback.hpp"

namespace pith {

/// One entry: where its content is, in the whole bundle.
struct BundleFile {
    std::string_view name;
    u64 offset;  ///< from the bundle's start; page aligned for files
    std::span<const u8> content;
    abi::BundleKind kind;
    u32 mode;
    i64 mtime;
};

class Bundle {
  public:
    Bundle() = default;
    /// Over mapped bytes. protocol: the first header is damaged.
    static Result<Bundle> open(std::span<const u8> bytes);
    /// The entry of that name.
    Result<BundleFile> find(std::string_view name) const;
    /// Calls `visit` for every entry, in order; a name may come again later, and then replaces the earlier
    /// one.
    void for_each(Callback<void(const BundleFile&)> visit) const;

  private:
    explicit Bundle(std::span<const u8> bytes) : bytes_(bytes) {}
    struct Segment {
        u64 start;
        const abi::BundleHeader* header;
        const abi::BundleEntry* entries;
        const char* names;
    };
    /// The segment at `start`; false: there is none.
    bool segment(u64 start, Segment& result) const;
    static bool file(const Segment& segment, u32 index, BundleFile& result);
    std::span<const u8> bytes_;
};

}  // namespace pith
