// SPDX-License-Identifier: MIT
// Session: requests that change.
#include "servers/fs/memory/session/session.hpp"

namespace pith::memory_fs {

using enum Fs::Operation;

namespace {
Result<u64> done(Result<> result) { return result.ok() ? Result<u64>(u64{0}) : result.error(); }
}  // namespace

Result<u64> Session::perform(Request request) {
    const auto operation = static_cast<Fs::Operation>(request.operation);
    if (operation == release) {
        if (store_.node(request.file).ok()) orphan_ = static_cast<u32>(request.file.number);
        held_.erase(orphan_);
        return u64{0};
    }
    const Node file = PITH_TRY(store_.node(request.file));
    const bool keep_size = (request.flags & Fs::kKeepSize) != 0;
    switch (operation) {
        case Fs::Operation::create:
        case create_link:
        case create_unnamed: return create(request);
        case Fs::Operation::link: return link(request);
        case unlink: return lost_name(request, store_.unlink(file, name(), request.time));
        case remove_directory: return lost_name(request, store_.remove_directory(file, name(), request.time));
        case rename:
            return lost_name(request,
                             store_.rename(file, name(), PITH_TRY(store_.node(request.other)), other_name(),
                                           (request.flags & Fs::kReplace) != 0, request.time));
        case exchange:
            return done(store_.exchange(file, name(), PITH_TRY(store_.node(request.other)), other_name(),
                                        request.time));
        case Fs::Operation::set_attributes: return done(set_attributes(request));
        case write:
            if (request.length > request.place_size) return Error::invalid;
            return u64{PITH_TRY(
                store_.write(file, request.offset, place(request).first(request.length), request.time))};
        case truncate: return done(store_.truncate(file, request.offset, request.time));
        case allocate:
            return done(store_.allocate(file, request.offset, request.length, keep_size, request.time));
        case punch: return done(store_.punch(file, request.offset, request.length, request.time));
        default: return Error::invalid;
    }
}

Result<u64> Session::create(Request request) {
    constexpr u32 kTypes = 0170000, kDirectory = 0040000, kRegular = 0100000, kLink = 0120000;
    const auto operation = static_cast<Fs::Operation>(request.operation);
    if (request.mode > 0177777 || request.place_size < sizeof(Fs::Attributes)) return Error::invalid;
    NewFile made{request.mode, request.user, request.group, request.device, request.time};
    const Node directory = PITH_TRY(store_.node(request.file));
    if (operation == Fs::Operation::create_unnamed) {
        if ((made.mode & kTypes) != kRegular) return Error::invalid;
        const Node file = PITH_TRY(store_.create_unnamed(directory, made));
        file_ = file.id();
        hold_ = file.number;
        return put_attributes(request, file);
    }
    if (operation == Fs::Operation::create_link) {
        if (other_name().empty()) return Error::invalid;
        made.mode = kLink | 0777;
    } else if ((made.mode & kTypes) == kLink) {
        return Error::invalid;
    }
    if ((made.mode & kTypes) == kDirectory) made.device = 0;
    const Node file = PITH_TRY(store_.create(directory, name(), made, other_name()));
    file_ = file.id();
    return put_attributes(request, file);
}

Result<u64> Session::link(Request request) {
    if (request.place_size < sizeof(Fs::Attributes)) return Error::invalid;
    const Node file = PITH_TRY(store_.node(request.file));
    if (file.links == 0 && !held_.contains(file.number)) return Error::not_found;
    const Node directory = PITH_TRY(store_.node(request.other));
    PITH_CHECK(store_.link(file, directory, name(), request.time));
    return put_attributes(request, PITH_TRY(store_.node(request.file)));
}

/// `file`, if it is one, has lost a name: without any it goes when the request is completed, unless it is held.
Result<u64> Session::lost_name(Request request, Result<Node> file) {
    if (!file.ok()) return file.error();
    if (file->number == 0 || file->links != 0) return u64{0};
    file_ = file->id();
    if ((request.flags & Fs::kHold) != 0) hold_ = file->number;
    orphan_ = file->number;
    return u64{0};
}

Result<> Session::set_attributes(Request request) {
    Node file = PITH_TRY(store_.node(request.file));
    const auto set = [&](u32 flag) { return (request.flags & flag) != 0; };
    if (set(Fs::kSetMode)) file.mode = file.type() | (request.mode & 07777);
    if (set(Fs::kSetUser)) file.user = request.user;
    if (set(Fs::kSetGroup)) file.group = request.group;
    if (set(Fs::kSetAccessed)) file.accessed = request.accessed;
    if (set(Fs::kSetModified)) file.modified = request.modified;
    file.changed = request.time;
    store_.save(file);
    return {};
}

}  // namespace pith::memory_fs
