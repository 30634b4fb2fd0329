// SPDX-License-Identifier: MIT
// Session: requests that look.
#include <cstring>

#include "lib/base/round.hpp"
#include "servers/fs/ext4/session/session.hpp"

namespace pith::ext4fs {

namespace {

/// EXT2_FT_* to the bits of a mode.
constexpr u32 kTypes[] = {0, 0100000, 0040000, 0020000, 0060000, 0010000, 0140000, 0120000};
constexpr usize kMaxEntry = round_up(sizeof(Fs::Entry) + Fs::kMaxName, usize{8});

Fs::Time time_of(const ext4::Time& time) { return {time.seconds, time.nanoseconds, 0}; }

}  // namespace

ext4::FileId Session::file(Fs::FileId id) {
    const ext4::FileId file{static_cast<u32>(id.number), static_cast<u32>(id.generation)};
    return file.inode == id.number && file.generation == id.generation ? file : ext4::FileId();
}

Fs::Statistics Session::statistics_of(const ext4::Statistics& of) {
    return {of.block_size, of.blocks, of.free, of.available, of.files, of.free_files, of.id, Fs::kMaxName};
}

Result<u64> Session::statistics(Request request) {
    return put(request, statistics_of(PITH_TRY(system_->statistics())));
}

Result<u64> Session::put_attributes(Request request, ext4::FileId id) {
    const ext4::Attributes of = PITH_TRY(system_->attributes(id));
    Fs::Attributes out{};
    out.id = {of.id.inode, of.id.generation};
    out.mode = of.mode;
    out.links = of.links;
    out.user = of.user;
    out.group = of.group;
    out.device = u64{of.device_major} << 32 | of.device_minor;
    out.size = of.size;
    out.sectors = of.sectors;
    out.accessed = time_of(of.accessed);
    out.modified = time_of(of.modified);
    out.changed = time_of(of.changed);
    out.created = time_of(of.created);
    return put(request, out);
}

Result<u64> Session::lookup(Request request) {
    return put_attributes(request, PITH_TRY(system_->lookup(file(request.file), name())));
}

Result<u64> Session::attributes(Request request) { return put_attributes(request, file(request.file)); }

/// The port moves the bytes: what is here says from where.
Result<u64> Session::read(Request request) {
    if (request.length > request.place_size) return Error::invalid;
    pieces_.clear();
    const usize length = PITH_TRY(
        system_->locate(file(request.file), request.offset, request.length, pieces_));
    if (length == 0) return u64{0};
    deferred_ = true;
    port_.read({request.id, 0, 0, length, 0, 0}, request.place, pieces_);
    return u64{length};
}

Result<u64> Session::list(Request request) {
    if (request.place_size < kMaxEntry) return Error::invalid;
    const std::span<u8> to = place(request);
    usize used = 0;
    const auto entry = [&](const ext4::Listed& listed) {
        if (listed.name == "." || listed.name == "..") return true;
        Fs::Entry out{};
        const usize size = round_up(sizeof out + listed.name.size(), usize{8});
        if (size > to.size() - used) return false;
        out.number = listed.inode;
        out.next = listed.next;
        out.type = listed.type < std::size(kTypes) ? kTypes[listed.type] : 0;
        out.length = static_cast<u16>(listed.name.size());
        out.size = static_cast<u16>(size);
        std::memcpy(to.data() + used, &out, sizeof out);
        std::memcpy(to.data() + used + sizeof out, listed.name.data(), listed.name.size());
        used += size;
        return true;
    };
    PITH_CHECK(system_->list(file(request.file), request.offset, entry));
    return u64{used};
}

Result<u64> Session::read_link(Request request) {
    const std::span<u8> to = place(request);
    return u64{
        PITH_TRY(system_->read_link(file(request.file), {reinterpret_cast<char*>(to.data()), to.size()}))};
}

Result<u64> Session::seek(Request request) {
    return system_->seek(file(request.file), request.offset, (request.flags & Fs::kHole) != 0);
}

}  // namespace pith::ext4fs
