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
    FsHold* const hold = find(file);
    return hold != nullptr ? hold : make(file);
}

FsHold* FsHolds::make(Fs::FileId file) {
    auto* hold = new (std::nothrow) FsHold;
    if (hold == nullptr) return nullptr;
    hold->release.hold = hold;
    enter(*hold, file);
    all_.push_back(*hold);
    ++count_;
    return hold;
}

void FsHolds::enter(FsHold& hold, Fs::FileId file) {
    hold.file = file;
    hold.next_in_bucket = buckets_[bucket(file)];
    buckets_[bucket(file)] = &hold;
}

void FsHolds::leave(FsHold& hold) {
    FsHold** at = &buckets_[bucket(hold.file)];
    while (*at != &hold) at = &(*at)->next_in_bucket;
    *at = hold.next_in_bucket;
}

void FsHolds::name(FsHold& hold, Fs::FileId file) {
    leave(hold);
    enter(hold, file);
}

void FsHolds::remove(FsHold& hold) {
    leave(hold);
    List<FsHold, &FsHold::link>::remove(hold);
    --count_;
    delete &hold;
}

}  // namespace pith
