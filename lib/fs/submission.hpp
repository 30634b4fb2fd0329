// SPDX-License-Identifier: MIT
// What file servers check of a submission (protocol/fs.hpp) before they believe it.
#pragma once

#include <array>
#include <cstring>
#include <span>
#include <string_view>

#include "lib/base/result.hpp"
#include "protocol/fs.hpp"

namespace pith {

inline bool fs_changes(Fs::Operation operation) {
    return operation >= Fs::Operation::create && operation <= Fs::Operation::release;
}

/// The names of a request, copied out of the window: the client can change what is there.
class FsNames {
  public:
    /// Errors: invalid: a place outside the window, names that are too long, flags that mean nothing to the operation, an impossible time.
    Result<> take(const Fs::Submission& request, std::span<const u8> window) {
        const auto operation = static_cast<Fs::Operation>(request.operation);
        const u32 flags = flags_of(operation) | (fs_changes(operation) ? Fs::kAnswered : 0);
        const usize most_other = operation == Fs::Operation::create_link ? Fs::kMaxTarget : Fs::kMaxName;
        if (request.place % Fs::kPlaceUnit != 0 || request.place > window.size() ||
            request.place_size > window.size() - request.place || request.name_size > Fs::kMaxName ||
            request.other_size > most_other ||
            usize{request.name_size} + request.other_size > request.place_size ||
            (request.flags & ~flags) != 0 || !possible(request.time) || !possible(request.accessed) ||
            !possible(request.modified))
            return Error::invalid;
        size_ = request.name_size;
        other_size_ = request.other_size;
        std::memcpy(bytes_.data(), window.data() + request.place, usize{size_} + other_size_);
        return {};
    }
    std::string_view name() const { return {bytes_.data(), size_}; }
    std::string_view other() const { return {bytes_.data() + size_, other_size_}; }

  private:
    static u32 flags_of(Fs::Operation operation) {
        switch (operation) {
            case Fs::Operation::seek: return Fs::kHole;
            case Fs::Operation::unlink: return Fs::kHold;
            case Fs::Operation::rename: return Fs::kHold | Fs::kReplace;
            case Fs::Operation::allocate: return Fs::kKeepSize;
            case Fs::Operation::set_attributes:
                return Fs::kSetMode | Fs::kSetUser | Fs::kSetGroup | Fs::kSetAccessed | Fs::kSetModified;
            default: return 0;
        }
    }
    static bool possible(const Fs::Time& time) { return time.nanoseconds < 1'000'000'000; }

    u16 size_ = 0, other_size_ = 0;
    std::array<char, Fs::kMaxName + Fs::kMaxTarget> bytes_;
};

}  // namespace pith
