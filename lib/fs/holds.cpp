// SPDX-License-Identifier: MIT
#include "lib/fs/holds.hpp"

#include <new>

namespace pith {

FsHolds::~FsHolds() {
    while (FsHold* hold = all_.pop_front()) delete hold;
}

FsHold* FsHolds::find(Fs::FileId file) const {
    FsHold* hold = buckets_[bucket(file)];
    while (hold != nullptr && (hold->file != file || hold->released())) hold = hold->next_in_bucket;
    return hold;
}

FsHold* FsHolds::add(Fs::FileId file) {
    if (FsHold* hold = find(file)) return hold;
    auto* hold = new (std::nothrow) FsHold;
    if (hold == nullptr) return nullptr;
    hold->file = file;
    hold->release.hold = hold;
    hold->next_in_bucket = buckets_[bucket(file)];
    buckets_[bucket(file)] = hold;
    all_.push_back(*hold);
    ++count_;
    return hold;
}

void FsHolds::remove(FsHold& hold) {
    FsHold** at = &buckets_[bucket(hold.file)];
    while (*at != &hold) at = &(*at)->next_in_bucket;
    *at = hold.next_in_bucket;
    List<FsHold, &FsHold::link>::remove(hold);
    --count_;
    delete &hold;
}

}  // namespace pith
