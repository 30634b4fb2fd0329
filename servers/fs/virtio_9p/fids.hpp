// SPDX-License-Identifier: MIT
// The fids in use: what the host calls a file that we have walked to, or opened. A bounded number; the one that was used longest ago goes first. One that
// an operation uses is pinned by its FidUse.
#pragma once

#include "lib/base/list.hpp"
#include "servers/fs/virtio_9p/wire.hpp"

namespace pith::virtio_9p {

enum class Use : u8 {
    walk,   ///< not opened: for everything that goes by name
    read,   ///< opened for reading, a file or a directory
    write,  ///< opened for writing
};

struct Fid {
    u32 number = 0;
    Use use = Use::walk;
    u64 file = 0;
    u32 pins = 0;
    bool known = false;  ///< to be found by its file
    ListLink link;       ///< by use, or among the free
    ListLink chain;
};

class FidUse {
  public:
    FidUse() = default;
    explicit FidUse(Fid& fid) : fid_(&fid) { fid_->pins++; }
    FidUse(FidUse&& other) noexcept : fid_(other.fid_) { other.fid_ = nullptr; }
    FidUse& operator=(FidUse&& other) noexcept {
        Fid* const taken = other.fid_;
        other.fid_ = nullptr;
        if (fid_ != nullptr) fid_->pins--;
        fid_ = taken;
        return *this;
    }
    ~FidUse() {
        if (fid_ != nullptr) fid_->pins--;
    }
    u32 number() const { return fid_->number; }
    Fid& operator*() const { return *fid_; }
    bool valid() const { return fid_ != nullptr; }

  private:
    Fid* fid_ = nullptr;
};

class Fids {
  public:
    static constexpr u32 kMost = 2048;
    Fids();
    Fids(const Fids&) = delete;
    Fids& operator=(const Fids&) = delete;

    /// The host has forgotten all of them. None may be pinned.
    void clear();
    /// The one of that file, for that use; null.
    Fid* find(u64 file, Use use);
    /// One to walk to. `old`: it is in use still, and has to be clunked first. Null: all are pinned.
    Fid* take(bool& old);
    /// It is that file's from now on.
    void enter(Fid& fid, u64 file, Use use);
    /// It isn't to be found any more; it goes when it is the oldest.
    void forget(Fid& fid);
    /// All of that file.
    void forget(u64 file, bool also_open);
    /// One that is of no use any more, but that the host has opened still; null.
    Fid* stale();
    /// The host doesn't know it any more.
    void give_back(Fid& fid);

  private:
    static constexpr u32 kBuckets = 128;
    List<Fid, &Fid::chain>& bucket(u64 file) { return buckets_[file * 0x9e37'79b9'7f4a'7c15 >> 57]; }
    Fid fids_[kMost];
    List<Fid, &Fid::link> used_;  // the oldest first
    List<Fid, &Fid::link> free_;
    List<Fid, &Fid::chain> buckets_[kBuckets];
};

}  // namespace pith::virtio_9p
