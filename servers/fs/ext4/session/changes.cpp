// SPDX-License-Identifier: MIT
// Session: requests that change.
#include <sys/stat.h>

#include "servers/fs/ext4/session/session.hpp"

namespace pith::ext4fs {

namespace {

ext4::Time time_of(const Fs::Time& time) { return {time.seconds, time.nanoseconds}; }

}  // namespace

Result<ext4::NewFile> Session::new_file(Request request) const {
    ext4::NewFile file;
    if (request.mode > 0177777 || request.place_size < sizeof(Fs::Attributes)) return Error::invalid;
    file.mode = static_cast<u16>(request.mode);
    file.user = request.user;
    file.group = request.group;
    file.device_major = static_cast<u32>(request.device >> 32);
    file.device_minor = static_cast<u32>(request.device);
    if ((request.flags & Fs::kAnswered) == 0) return file;
    file.as = this->file(request.answer);
    if (file.as.inode == 0) return Error::invalid;
    return file;
}

Result<u64> Session::create(Request request) {
    const ext4::NewFile made = PITH_TRY(new_file(request));
    const ext4::FileId directory = file(request.file);
    const ext4::FileId id = PITH_TRY(S_ISDIR(made.mode) ? system_->make_directory(directory, name(), made)
                                                        : system_->create(directory, name(), made));
    return put_attributes(request, id);
}

Result<u64> Session::create_link(Request request) {
    const ext4::NewFile made = PITH_TRY(new_file(request));
    const ext4::FileId directory = file(request.file);
    return put_attributes(request, PITH_TRY(system_->make_link(directory, name(), other_name(), made)));
}

Result<u64> Session::create_unnamed(Request request) {
    const ext4::NewFile made = PITH_TRY(new_file(request));
    const ext4::FileId id = PITH_TRY(system_->create_unnamed(file(request.file), made));
    return put_attributes(request, id);
}

Result<u64> Session::link(Request request) {
    if (request.place_size < sizeof(Fs::Attributes)) return Error::invalid;
    const ext4::FileId id = file(request.file);
    PITH_CHECK(system_->link(id, file(request.other), name()));
    return put_attributes(request, id);
}

/// A file has no name any more: it is held, or it goes when the request has been completed.
Result<u64> Session::lost_name(Request request, ext4::FileId orphan) {
    if (orphan.inode == 0) return u64{0};
    if ((request.flags & Fs::kHold) != 0) PITH_CHECK(system_->hold(orphan));
    else orphan_ = orphan;
    return u64{0};
}

Result<u64> Session::unlink(Request request) {
    const ext4::FileId directory = file(request.file);
    ext4::FileId orphan;
    if (static_cast<Fs::Operation>(request.operation) == Fs::Operation::unlink)
        PITH_CHECK(system_->unlink(directory, name(), &orphan));
    else PITH_CHECK(system_->remove_directory(directory, name(), &orphan));
    return lost_name(request, orphan);
}

Result<u64> Session::rename(Request request) {
    ext4::FileId orphan;
    PITH_CHECK(system_->rename(file(request.file), name(), file(request.other), other_name(),
                               (request.flags & Fs::kReplace) != 0, &orphan));
    return lost_name(request, orphan);
}

Result<u64> Session::set_attributes(Request request) {
    ext4::AttributeChange change;
    const auto set = [&](u32 flag) { return (request.flags & flag) != 0; };
    if (set(Fs::kSetMode)) change.permissions = static_cast<u16>(request.mode & 07777);
    if (set(Fs::kSetUser)) change.user = request.user;
    if (set(Fs::kSetGroup)) change.group = request.group;
    if (set(Fs::kSetAccessed)) change.accessed = time_of(request.accessed);
    if (set(Fs::kSetModified)) change.modified = time_of(request.modified);
    PITH_CHECK(system_->set_attributes(file(request.file), change));
    return u64{0};
}

Result<u64> Session::write(Request request) {
    if (request.length > request.place_size) return Error::invalid;
    const std::span<const u8> from = place(request).first(request.length);
    return u64{PITH_TRY(system_->write(file(request.file), request.offset, from))};
}

}  // namespace pith::ext4fs
