// SPDX-License-Identifier: MIT
#include "servers/fs/virtio_9p/fids.hpp"

namespace pith::virtio_9p {

Fids::Fids() {
    for (u32 i = 0; i < kMost; i++) {
        fids_[i].number = i + 1;
        free_.push_back(fids_[i]);
    }
}

void Fids::clear() {
    while (Fid* fid = used_.front()) give_back(*fid);
}

Fid* Fids::find(u64 file, Use use) {
    auto& chain = bucket(file);
    for (Fid* fid = chain.front(); fid != nullptr; fid = chain.next(*fid)) {
        if (fid->file != file || fid->use != use) continue;
        used_.remove(*fid);
        used_.push_back(*fid);
        return fid;
    }
    return nullptr;
}

Fid* Fids::take(bool& old) {
    old = free_.empty();
    Fid* fid = old ? used_.front() : free_.front();
    while (old && fid != nullptr && fid->pins != 0) fid = used_.next(*fid);
    if (fid == nullptr) return nullptr;
    forget(*fid);
    fid->use = Use::walk;
    List<Fid, &Fid::link>::remove(*fid);
    used_.push_back(*fid);
    return fid;
}

void Fids::enter(Fid& fid, u64 file, Use use) {
    forget(fid);
    fid.file = file;
    fid.use = use;
    fid.known = true;
    bucket(file).push_back(fid);
}

void Fids::forget(Fid& fid) {
    if (!fid.known) return;
    fid.known = false;
    List<Fid, &Fid::chain>::remove(fid);
    // The next to go.
    List<Fid, &Fid::link>::remove(fid);
    used_.push_front(fid);
}

void Fids::forget(u64 file, bool also_open) {
    auto& chain = bucket(file);
    for (Fid* fid = chain.front(); fid != nullptr;) {
        Fid* const following = chain.next(*fid);
        if (fid->file == file && (also_open || fid->use == Use::walk)) forget(*fid);
        fid = following;
    }
}

Fid* Fids::stale() {
    for (Fid* fid = used_.front(); fid != nullptr && !fid->known; fid = used_.next(*fid))
        if (fid->pins == 0 && fid->use != Use::walk) return fid;
    return nullptr;
}

void Fids::give_back(Fid& fid) {
    forget(fid);
    List<Fid, &Fid::link>::remove(fid);
    free_.push_back(fid);
}

}  // namespace pith::virtio_9p
