// SPDX-License-Identifier: MIT
// FreedAreas: small areas that were just given back, kept by their size for whoever asks for one like it next: coroutines come and go in
// the same sizes. What it keeps is bounded, and goes back to the allocator when that has nothing. Not locked.
#pragma once

#include <new>

#include "lib/os/tlsf.hpp"

namespace pith {

class FreedAreas {
  public:
    explicit constexpr FreedAreas(Tlsf& of) : heap_(of) {}

    /// nullptr: there is none of that size.
    void* take(usize size) {
        if (size > kLargest) return nullptr;
        Area*& list = lists_[class_of(Tlsf::area_size(size))];
        if (list == nullptr) return nullptr;
        Area* area = list;
        list = area->next;
        kept_ -= Tlsf::footprint(area);
        return area;
    }

    /// False: it is not kept, and to be released.
    bool keep(void* area) {
        const usize size = Tlsf::usable(area);
        if (size > kLargest || kept_ >= kMost) return false;
        Area*& list = lists_[class_of(size)];
        list = ::new (area) Area{list};
        kept_ += Tlsf::footprint(area);
        return true;
    }

    /// Gives all back. False: there was nothing.
    bool release_all() {
        if (kept_ == 0) return false;
        for (Area*& list : lists_) {
            while (list != nullptr) {
                Area* area = list;
                list = area->next;
                heap_.release(area);
            }
        }
        kept_ = 0;
        return true;
    }

    /// Bytes that count as allocated in the allocator, and are not.
    usize kept() const { return kept_; }

  private:
    static constexpr usize kLargest = 1032;    ///< bytes of an area: 16n + 8
    static constexpr usize kMost = 32 * 1024;  ///< bytes that it keeps
    struct Area {
        Area* next;
    };
    static constexpr usize class_of(usize size) { return size / Tlsf::kAlign; }

    Tlsf& heap_;
    Area* lists_[kLargest / Tlsf::kAlign + 1] = {};
    usize kept_ = 0;
};

}  // namespace pith
