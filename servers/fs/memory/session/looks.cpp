// SPDX-License-Identifier: MIT
// Session: requests that look.
#include <algorithm>

#include "lib/base/round.hpp"
#include "servers/fs/memory/session/session.hpp"

namespace pith::memory_fs {

using enum Fs::Operation;

namespace {
constexpr usize kMaxEntry = round_up(sizeof(Fs::Entry) + Fs::kMaxName, usize{8});
}

Result<u64> Session::look(Request request) {
    const auto operation = static_cast<Fs::Operation>(request.operation);
    PITH_CHECK(names_.take(request, window_));
    if (operation == Fs::Operation::attach) return attach(request);
    if (!attached_) return Error::bad_state;
    if (store_.broken()) return Error::io;
    switch (operation) {
        case detach:
            held_.clear();
            attached_ = false;
            fresh_ = true;
            PITH_CHECK(reap_all());
            return u64{0};
        case recovered:
            recovered_ = true;
            PITH_CHECK(reap_all());
            return u64{0};
        case commit: return u64{0};
        case Fs::Operation::statistics: return put(request, statistics());
        case hold: held_.insert(PITH_TRY(store_.node(request.file)).number); return u64{0};
        default: break;
    }
    const Node file = PITH_TRY(store_.node(request.file));
    switch (operation) {
        case lookup: return put_attributes(request, PITH_TRY(store_.lookup(file, name())));
        case attributes: return put_attributes(request, file);
        case read:
            if (request.length > request.place_size) return Error::invalid;
            if (!file.regular()) return Error::wrong_type;
            return u64{PITH_TRY(store_.read(file, request.offset, place(request).first(request.length)))};
        case Fs::Operation::list:
            if (!file.directory()) return Error::wrong_type;
            return list(request);
        case read_link:
            if (!file.link()) return Error::wrong_type;
            return u64{PITH_TRY(store_.read(file, 0, place(request)))};
        case seek: return store_.seek(file, request.offset, (request.flags & Fs::kHole) != 0);
        default: return Error::invalid;
    }
}

Fs::Statistics Session::statistics() const {
    const Geometry of = store_.geometry();
    const u64 free = store_.free_pages();
    return {kPage,         of.pages - of.first,  free,        free,
            of.inodes - 1, store_.free_inodes(), 0x6d65'6d6f, Fs::kMaxName};
}

Result<u64> Session::attach(Request request) {
    if (request.place_size < std::max(sizeof(Fs::Attach), sizeof(Fs::Attached))) return Error::invalid;
    Fs::Attach where;
    std::memcpy(&where, place(request).data(), sizeof where);
    if ((where.flags & ~u64{Fs::kReadOnly}) != 0) return Error::invalid;
    if (where.disk != 0) return Error::not_found;
    if (store_.broken()) return Error::io;
    const Node root = PITH_TRY(store_.node(u64{kRoot}));
    attached_ = true;
    recovered_ = false;
    read_only_ = (where.flags & Fs::kReadOnly) != 0;
    held_.clear();
    last_ = store_.committed();
    Fs::Attached attached{};
    attached.root = root.id();
    attached.committed = last_;
    attached.block_size = kPage;
    attached.max_file_size = kMaxSize;
    attached.flags = Fs::kNotDurable | (read_only_ ? Fs::kReadOnly : 0);
    attached.statistics = statistics();
    std::memcpy(attached.label, "memory", 6);
    return put(request, attached);
}

Result<u64> Session::put_attributes(Request request, const Node& file) {
    return put(request,
               Fs::Attributes{file.id(), file.mode, file.links, file.user, file.group,
                              file.directory() ? 0 : file.device, file.size, file.pages * (kPage / 512),
                              file.accessed, file.modified, file.changed, file.created});
}

Result<u64> Session::list(Request request) {
    if (request.place_size < kMaxEntry) return Error::invalid;
    const Node directory = PITH_TRY(store_.node(request.file));
    const std::span<u8> to = place(request);
    usize used = 0;
    for (u64 from = request.offset;;) {
        auto found = store_.next_name(directory, from);
        if (found.error() == Error::not_found) break;
        if (!found.ok()) return found.error();
        const usize size = round_up(sizeof(Fs::Entry) + found->name.size(), usize{8});
        if (size > to.size() - used) break;
        const Node file = PITH_TRY(store_.node(u64{found->inode}));
        const Fs::Entry out{file.number, found->next, file.type(), static_cast<u16>(found->name.size()),
                            static_cast<u16>(size)};
        std::memcpy(to.data() + used, &out, sizeof out);
        std::memcpy(to.data() + used + sizeof out, found->name.data(), found->name.size());
        used += size;
        from = found->next;
    }
    return u64{used};
}

}  // namespace pith::memory_fs
