// SPDX-License-Identifier: MIT
// FsHolds: the holds of a client, by file. A file may have several: of all but the youngest the release is not committed yet.
#pragma once

#include "lib/fs/request.hpp"

namespace pith {

class FsHolds {
  public:
    FsHolds() = default;
    FsHolds(const FsHolds&) = delete;
    FsHolds& operator=(const FsHolds&) = delete;
    ~FsHolds();

    /// The one of `file` that is not released; null: there is none.
    FsHold* find(Fs::FileId file) const;
    /// That one, made if there is none. Null: no memory.
    FsHold* add(Fs::FileId file);
    /// One of a file that has no number yet; it gets it by `name`. Null: no memory.
    FsHold* add_unknown() { return make({}); }
    void name(FsHold& hold, Fs::FileId file);
    void remove(FsHold& hold);
    bool empty() const { return count_ == 0; }
    FsHold* first() { return all_.front(); }
    FsHold* next(FsHold& hold) { return all_.next(hold); }

  private:
    static constexpr u32 kBuckets = 64;
    static u32 bucket(Fs::FileId file) { return static_cast<u32>(file.number % kBuckets); }
    FsHold* make(Fs::FileId file);
    void enter(FsHold& hold, Fs::FileId file);
    void leave(FsHold& hold);
    FsHold* buckets_[kBuckets] = {};
    List<FsHold, &FsHold::link> all_;
    u32 count_ = 0;
};

}  // namespace pith
