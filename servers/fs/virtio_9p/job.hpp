// SPDX-License-Identifier: MIT
// A request of the client's, as it is carried out: in private memory but for its place.
#pragma once

#include <cstring>
#include <span>
#include <string_view>

#include "lib/base/result.hpp"
#include "protocol/fs.hpp"

namespace pith::virtio_9p {

struct Job {
    Fs::Submission entry{};
    std::span<u8> place;  ///< of the window: the client may write there at any time
    char names[Fs::kMaxName + Fs::kMaxTarget];

    Fs::Operation operation() const { return static_cast<Fs::Operation>(entry.operation); }
    bool changes() const { return entry.operation >= static_cast<u32>(Fs::Operation::create); }
    bool has(u32 flag) const { return (entry.flags & flag) != 0; }
    std::string_view name() const { return {names, entry.name_size}; }
    std::string_view other_name() const { return {names + entry.name_size, entry.other_size}; }

    /// Takes up a request whose place is within the window. invalid: its names can't be.
    Result<> take(const Fs::Submission& submission, std::span<u8> at) {
        entry = submission;
        place = at;
        const usize size = usize{entry.name_size} + entry.other_size;
        if (entry.name_size > Fs::kMaxName || entry.other_size > Fs::kMaxTarget || size > place.size())
            return Error::invalid;
        std::memcpy(names, place.data(), size);
        return {};
    }
    /// Leaves an answer in the place. invalid: there is no room for it.
    template <typename T>
    Result<> put(const T& answer) const {
        if (place.size() < sizeof(T)) return Error::invalid;
        std::memcpy(place.data(), &answer, sizeof(T));
        return {};
    }
};

/// It can be the name of an entry of a directory.
inline bool valid_name(std::string_view name) {
    return !name.empty() && name.size() <= Fs::kMaxName && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

}  // namespace pith::virtio_9p
