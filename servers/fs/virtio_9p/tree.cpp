// SPDX-License-Identifier: MIT
#include "servers/fs/virtio_9p/tree.hpp"

#include <algorithm>

namespace pith::virtio_9p {

namespace {

constexpr std::string_view kVersion = "9P2000.L";
constexpr u64 kAllBasic = 0x7ff;  // of Tgetattr
// Flags of Tlopen.
constexpr u32 kReadOnly = 0, kWriteOnly = 1, kNonBlocking = 04000;
constexpr u32 kOwnerMayWrite = 0200;
constexpr u32 kSetMode = 1;  // of Tsetattr
constexpr u64 kBlockSize = 4096;
constexpr u64 kMostBytes = ~u64{0} >> 1;

Fs::Time time_of(Reader& reader) {
    const u64 seconds = reader.get<u64>();
    const u64 nanoseconds = reader.get<u64>();
    return {static_cast<i64>(seconds), static_cast<u32>(std::min<u64>(nanoseconds, 999'999'999)), 0};
}

/// From Linux's 64 bits: the lower part of each number is as it was in 16 bits.
u64 device_of(u64 number) {
    const u64 major = (number >> 8 & 0xfff) | (number >> 32 & ~u64{0xfff} & 0xffff'ffff);
    const u64 minor = (number & 0xff) | (number >> 12 & 0xffff'ff00);
    return major << 32 | minor;
}

}  // namespace

void Tree::reset() {
    root_ = FidUse();
    fids_.clear();
}

Task<Result<Fs::Attributes>> Tree::connect(Line& line, u32 message_size) {
    reset();
    Reader version = PITH_CO_TRY(co_await line.begin(Type::version).put(message_size).text(kVersion).send());
    const u32 size = version.get<u32>();
    if (version.text() != kVersion || size != message_size || version.bad()) co_return Error::unsupported;
    FidUse root = PITH_CO_TRY(co_await fresh(line));
    Reader attached = PITH_CO_TRY(co_await line.begin(Type::attach)
                                      .put(root.number())
                                      .put(kNoFid)
                                      .text("")
                                      .text("")
                                      .put(kNobody)
                                      .send());
    const Qid qid = attached.qid();
    if (attached.bad()) co_return Error::io;
    user_ = group_ = 0;
    names_.set_root(qid.path);
    fids_.enter(*root, qid.path, Use::walk);
    const u32 number = root.number();
    root_ = std::move(root);
    Fs::Attributes found = PITH_CO_TRY(co_await attributes(line, number));
    if (found.id.number != qid.path || (found.mode & kTypeMask) != kDirectory) co_return Error::io;
    user_ = found.user;
    group_ = found.group;
    found.user = found.group = 0;
    co_return found;
}

Task<Result<FidUse>> Tree::fresh(Line& line) {
    bool old = false;
    Fid* const fid = fids_.take(old);
    if (fid == nullptr) co_return Error::busy;
    FidUse use(*fid);
    if (old) static_cast<void>(co_await line.begin(Type::clunk).put(fid->number).send());
    if (line.cancelled()) co_return Error::cancelled;
    co_return use;
}

/// Up from the file to one that we have a fid of. False: a name is missing.
bool Tree::plan(u64 file, Path& path) {
    constexpr u32 kDeepest = 4096;
    u64 files[kMostNames];
    u32 records[kMostNames];
    u32 depth = 0;
    for (u64 at = file; (path.start = fids_.find(at, Use::walk)) == nullptr; depth++) {
        const u32 record = names_.find(at);
        if (record == Names::kNone || depth == kDeepest) return false;
        files[depth % kMostNames] = at;
        records[depth % kMostNames] = record;
        at = names_.parent(record);
    }
    path.count = std::min(depth, kMostNames);
    for (u32 i = 0; i < path.count; i++) {
        path.files[i] = files[(depth - 1 - i) % kMostNames];
        path.records[i] = records[(depth - 1 - i) % kMostNames];
    }
    path.target = path.count == 0 ? file : path.files[path.count - 1];
    return true;
}

Task<Result<FidUse>> Tree::follow(Line& line, const Path& path, FidUse to) {
    const FidUse start(*path.start);
    Message message = line.begin(Type::walk);
    message.put(start.number()).put(to.number()).put(static_cast<u16>(path.count));
    for (u32 i = 0; i < path.count; i++) message.text(names_.name(path.records[i]));
    Result<Reader> reply = co_await message.send();
    if (!reply.ok() && reply.error() != Error::not_found) {
        if (reply.error() != Error::cancelled) fids_.give_back(*to);
        co_return reply.error();
    }
    const u32 count = reply.ok() ? reply->get<u16>() : 0;
    if (count > path.count) co_return Error::io;
    u32 right = 0;
    while (right < count && reply->qid().path == path.files[right]) right++;
    if (reply.ok() && reply->bad()) co_return Error::io;
    if (count < path.count) fids_.give_back(*to);
    if (right < path.count) {
        names_.forget_record(path.records[right], path.files[right]);
        co_return Error::not_found;
    }
    fids_.enter(*to, path.target, Use::walk);
    co_return to;
}

Task<Result<FidUse>> Tree::walk(Line& line, Fs::FileId file) {
    while (names_.type(file) != 0) {
        names_.touch(file.number);
        if (Fid* const known = fids_.find(file.number, Use::walk); known != nullptr) co_return FidUse(*known);
        FidUse to = PITH_CO_TRY(co_await fresh(line));
        Path path;
        if (!plan(file.number, path) || path.count == 0) {
            fids_.give_back(*to);
            if (names_.find(file.number) == Names::kNone || path.start == nullptr)
                co_return Error::bad_handle;
            continue;
        }
        auto followed = co_await follow(line, path, std::move(to));
        if (!followed.ok() && followed.error() != Error::not_found) co_return followed.error();
    }
    co_return Error::bad_handle;
}

Task<Result<FidUse>> Tree::walk_directory(Line& line, Fs::FileId directory) {
    const u32 type = names_.type(directory);
    if (type != 0 && type != kDirectory) co_return Error::wrong_type;
    co_return co_await walk(line, directory);
}

Task<Result<Tree::Found>> Tree::look(Line& line, Fs::FileId file) {
    constexpr int kTries = 4;  // the host may change the tree all the time
    for (int tries = 0; tries < kTries; tries++) {
        FidUse fid = PITH_CO_TRY(co_await walk(line, file));
        auto found = co_await attributes(line, fid.number());
        if (found.ok() && found->id.number == file.number) co_return Found{std::move(fid), *found};
        if (!found.ok() && found.error() != Error::not_found) co_return found.error();
        if (file.number == names_.root().number) co_return Error::bad_handle;
        fids_.forget(*fid);
    }
    co_return Error::bad_handle;
}

/// Walks `to` to where `from` is, and opens it.
Task<Result<>> Tree::try_open(Line& line, const FidUse& from, const FidUse& to, u64 file, u32 flags) {
    auto walked = co_await line.begin(Type::walk).put(from.number()).put(to.number()).put(u16{0}).send();
    if (!walked.ok()) {
        if (walked.error() != Error::cancelled) fids_.give_back(*to);
        co_return walked.error();
    }
    Reader opened = PITH_CO_TRY(
        co_await line.begin(Type::lopen).put(to.number()).put(flags | kNonBlocking).send());
    const Qid qid = opened.qid();
    if (opened.bad()) co_return Error::io;
    if (qid.path != file) {
        fids_.forget(file, false);
        co_return Error::bad_handle;
    }
    co_return Result<>();
}

Task<Result<FidUse>> Tree::open(Line& line, Fs::FileId file, Use use, u32 type) {
    const u32 known = names_.type(file);
    if (known == 0) co_return Error::bad_handle;
    if (known != type) co_return Error::wrong_type;
    names_.touch(file.number);
    if (Fid* const fid = fids_.find(file.number, use); fid != nullptr) co_return FidUse(*fid);
    const FidUse from = PITH_CO_TRY(co_await walk(line, file));
    FidUse to = PITH_CO_TRY(co_await fresh(line));
    const u32 flags = use == Use::write ? kWriteOnly : kReadOnly;
    Result<> opened = co_await try_open(line, from, to, file.number, flags);
    if (opened.error() == Error::access && use == Use::write) {
        // Who may write here is our client's business; the host's user may have it done to a file of his own.
        const Fs::Attributes before = PITH_CO_TRY(co_await attributes(line, from.number()));
        if ((before.mode & kOwnerMayWrite) != 0) co_return Error::access;
        PITH_CO_TRY(co_await set_mode(line, from.number(), before.mode | kOwnerMayWrite));
        to = PITH_CO_TRY(co_await fresh(line));
        opened = co_await try_open(line, from, to, file.number, flags);
        PITH_CO_TRY(co_await set_mode(line, from.number(), before.mode));
    }
    PITH_CO_CHECK(opened);
    fids_.enter(*to, file.number, use);
    co_return to;
}

Task<Result<Tree::Found>> Tree::find(Line& line, Fs::FileId directory, const FidUse& at,
                                     std::string_view name) {
    if (directory.number == names_.root().number && Names::hidden_name(name)) co_return Error::not_found;
    FidUse to = PITH_CO_TRY(co_await fresh(line));
    auto walked = co_await line.begin(Type::walk)
                      .put(at.number())
                      .put(to.number())
                      .put(u16{1})
                      .text(name)
                      .send();
    if (walked.error() == Error::cancelled) co_return Error::cancelled;
    const u16 count = walked.ok() ? walked->get<u16>() : u16{0};
    if (count == 0) {
        fids_.give_back(*to);
        co_return walked.ok() ? Error::not_found : walked.error();
    }
    Fs::Attributes found = PITH_CO_TRY(co_await attributes(line, to.number()));
    found.id = names_.learn(directory.number, name, found.id.number, found.mode & kTypeMask);
    if (Fid* const other = fids_.find(found.id.number, Use::walk); other != nullptr) {
        if (other != &*root_) fids_.forget(*other);
    }
    if (found.id.number != names_.root().number) fids_.enter(*to, found.id.number, Use::walk);
    co_return Found{std::move(to), found};
}

Task<Result<Fs::Attributes>> Tree::attributes(Line& line, u32 fid) {
    Reader reply = PITH_CO_TRY(co_await line.begin(Type::getattr).put(fid).put(kAllBasic).send());
    reply.get<u64>();  // what of it is valid: all that is asked for
    const Qid qid = reply.qid();
    Fs::Attributes found{};
    found.id = names_.id(qid.path);
    found.mode = reply.get<u32>();
    found.user = user(reply.get<u32>());
    found.group = group(reply.get<u32>());
    found.links = static_cast<u32>(std::min<u64>(reply.get<u64>(), ~u32{0}));
    found.device = device_of(reply.get<u64>());
    found.size = reply.get<u64>();
    reply.get<u64>();  // the block size
    found.sectors = reply.get<u64>();
    found.accessed = time_of(reply);
    found.modified = time_of(reply);
    found.changed = time_of(reply);
    found.created = found.changed;  // the host does not tell
    if (reply.bad() || found.size > kMostBytes) co_return Error::io;
    const u32 type = found.mode & kTypeMask;
    if (type != kCharacterDevice && type != kBlockDevice) found.device = 0;
    if (found.links != 0 && names_.find_hidden(qid.path) != Names::kNone) found.links--;
    co_return found;
}

Call Tree::set_mode(Line& line, u32 fid, u32 mode) {
    Message message = line.begin(Type::setattr);
    message.put(fid).put(kSetMode).put(mode & kPermissions).put(u32{0}).put(u32{0});
    for (int i = 0; i < 5; i++) message.put(u64{0});
    return message.send();
}

Task<Result<>> Tree::clunk(Line& line, FidUse fid) {
    fids_.forget(*fid);
    auto reply = co_await line.begin(Type::clunk).put(fid.number()).send();
    if (reply.error() == Error::cancelled) co_return Error::cancelled;
    fids_.give_back(*fid);
    co_return Result<>();
}

Task<Result<>> Tree::clunk_stale(Line& line) {
    while (Fid* const fid = fids_.stale()) PITH_CO_CHECK(co_await clunk(line, FidUse(*fid)));
    co_return Result<>();
}

Task<Result<Fs::Statistics>> Tree::statistics(Line& line) {
    Reader reply = PITH_CO_TRY(co_await line.begin(Type::statfs).put(root_.number()).send());
    reply.get<u32>();  // the type of the host's file system
    Fs::Statistics found{};
    // QEMU counts in blocks as large as a message.
    const u64 size = reply.get<u32>();
    const auto blocks = [&] {
        const u64 count = reply.get<u64>();
        return size != 0 && count > kMostBytes / size ? kMostBytes / kBlockSize : count * size / kBlockSize;
    };
    found.block_size = kBlockSize;
    found.blocks = blocks();
    found.free = blocks();
    found.available = blocks();
    found.files = reply.get<u64>();
    found.free_files = reply.get<u64>();
    found.id = reply.get<u64>();
    found.max_name = std::min<u64>(reply.get<u32>(), Fs::kMaxName);
    if (reply.bad()) co_return Error::io;
    co_return found;
}

}  // namespace pith::virtio_9p
