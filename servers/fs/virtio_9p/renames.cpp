// SPDX-License-Identifier: MIT
// Changes of names: what can't be done twice.
#include <algorithm>

#include "lib/base/format.hpp"
#include "servers/fs/virtio_9p/changes.hpp"

namespace pith::virtio_9p {

namespace {

constexpr u32 kCreateOnly = 1 | 0200;    // of Tlcreate: opened for writing; it must not be there
constexpr u32 kRemoveDirectory = 0x200;  // of Tunlinkat
constexpr u32 kUser = 2, kGroup = 4;     // of Tsetattr

bool creatable(u32 type) {
    constexpr u32 kPipe = 0010000, kSocket = 0140000;
    return type == kRegular || type == kDirectory || type == kPipe || type == kSocket ||
           type == kCharacterDevice || type == kBlockDevice;
}

}  // namespace

Task<Result<u64>> Changes::create(Line& line, const Job& job) {
    const bool link = job.operation() == Fs::Operation::create_link;
    const Fs::Submission& r = job.entry;
    if (!valid_name(job.name()) || (link ? job.other_name().empty() : !creatable(r.mode & kTypeMask)))
        co_return Error::invalid;
    if (!allowed(r.file, job.name())) co_return Error::access;
    if (job.place.size() < sizeof(Fs::Attributes)) co_return Error::invalid;
    const FidUse at = PITH_CO_TRY(co_await tree_.walk_directory(line, r.file));
    Result<Tree::Found> found = co_await tree_.find(line, r.file, at, job.name());
    FidUse opened;
    if (found.ok() && !doubtful(job)) co_return Error::exists;
    if (!found.ok()) {
        if (found.error() != Error::not_found) co_return found.error();
        intend(job, 0, 0);
        PITH_CO_CHECK(co_await make(line, job, at, opened));
        found = co_await tree_.find(line, r.file, at, job.name());
    }
    if (!found.ok()) co_return found.error();
    const Tree::Found made = PITH_CO_TRY(co_await own(line, job, std::move(found).value()));
    if (opened.valid()) tree_.fids().enter(*opened, made.attributes.id.number, Use::write);
    changed(made.attributes.id.number);
    changed(r.file.number);
    PITH_CO_CHECK(job.put(made.attributes));
    co_return u64{0};
}

/// `opened` becomes a fid of a regular file.
Task<Result<>> Changes::make(Line& line, const Job& job, const FidUse& at, FidUse& opened) {
    const Fs::Submission& r = job.entry;
    const u32 mode = r.mode & kPermissions;
    if (job.operation() == Fs::Operation::create_link) {
        PITH_CO_TRY(co_await line.begin(Type::symlink)
                        .put(at.number())
                        .text(job.name())
                        .text(job.other_name())
                        .put(kNobody)
                        .send());
        co_return Result<>();
    }
    const u32 type = r.mode & kTypeMask;
    if (type == kDirectory) {
        PITH_CO_TRY(
            co_await line.begin(Type::mkdir).put(at.number()).text(job.name()).put(mode).put(kNobody).send());
        co_return Result<>();
    }
    if (type != kRegular) {
        PITH_CO_TRY(co_await line.begin(Type::mknod)
                        .put(at.number())
                        .text(job.name())
                        .put(r.mode)
                        .put(static_cast<u32>(r.device >> 32))
                        .put(static_cast<u32>(r.device))
                        .put(kNobody)
                        .send());
        co_return Result<>();
    }
    // A fid of the directory becomes one of the new file.
    FidUse fid = PITH_CO_TRY(co_await tree_.fresh(line));
    auto walked = co_await line.begin(Type::walk).put(at.number()).put(fid.number()).put(u16{0}).send();
    if (!walked.ok()) {
        if (walked.error() != Error::cancelled) tree_.fids().give_back(*fid);
        co_return walked.error();
    }
    PITH_CO_TRY(co_await line.begin(Type::lcreate)
                    .put(fid.number())
                    .text(job.name())
                    .put(kCreateOnly)
                    .put(mode)
                    .put(kNobody)
                    .send());
    opened = std::move(fid);
    co_return Result<>();
}

/// A new file belongs to the host's user who runs the machine. It is given to whom it is for, if the host lets him.
Task<Result<Tree::Found>> Changes::own(Line& line, const Job& job, Tree::Found found) {
    const Fs::Submission& r = job.entry;
    if (found.attributes.user == r.user && found.attributes.group == r.group) co_return found;
    Message message = line.begin(Type::setattr);
    message.put(found.fid.number())
        .put(kUser | kGroup)
        .put(u32{0})
        .put(tree_.user(r.user))
        .put(tree_.group(r.group));
    for (int i = 0; i < 5; i++) message.put(u64{0});
    const auto given = co_await message.send();
    if (given.error() == Error::access) co_return found;
    if (!given.ok()) co_return given.error();
    found.attributes = PITH_CO_TRY(co_await tree_.attributes(line, found.fid.number()));
    co_return found;
}

Task<Result<u64>> Changes::link(Line& line, const Job& job) {
    const Fs::Submission& r = job.entry;
    if (!valid_name(job.name())) co_return Error::invalid;
    if (!allowed(r.other, job.name())) co_return Error::access;
    if (job.place.size() < sizeof(Fs::Attributes)) co_return Error::invalid;
    const Tree::Found source = PITH_CO_TRY(co_await tree_.look(line, r.file));
    if ((source.attributes.mode & kTypeMask) == kDirectory) co_return Error::wrong_type;
    const FidUse at = PITH_CO_TRY(co_await tree_.walk_directory(line, r.other));
    Result<Tree::Found> target = co_await tree_.find(line, r.other, at, job.name());
    if (target.ok() && !(doubtful(job) && target->attributes.id == r.file)) co_return Error::exists;
    if (!target.ok()) {
        if (target.error() != Error::not_found) co_return target.error();
        intend(job, r.file.number, 0);
        PITH_CO_TRY(co_await line.begin(Type::link)
                        .put(at.number())
                        .put(source.fid.number())
                        .text(job.name())
                        .send());
        tree_.names().learn(r.other.number, job.name(), r.file.number, source.attributes.mode & kTypeMask);
    }
    changed(r.other.number);
    const Tree::Found made = PITH_CO_TRY(co_await tree_.look(line, r.file));
    PITH_CO_CHECK(job.put(made.attributes));
    co_return u64{0};
}

/// Gives a file, found as `name`, its hidden name. True: it has lost the other one by that.
Task<Result<bool>> Changes::keep(Line& line, const FidUse& at, std::string_view name, u64 directory,
                                 const Tree::Found& found) {
    Names& names = tree_.names();
    const Fs::FileId file = found.attributes.id;
    const u32 type = found.attributes.mode & kTypeMask;
    char text[Names::kHidden.size() + 32];
    const std::string_view hidden = format_to(text, "{}{016x}-{x}", Names::kHidden, file.number,
                                              file.generation);
    const FidUse root = PITH_CO_TRY(co_await tree_.walk(line, names.root()));
    // Known first: should this life end here, the next one finds the file by whatever name it has then.
    names.learn(names.root().number, hidden, file.number, type);
    auto
        done = co_await line.begin(Type::link).put(root.number()).put(found.fid.number()).text(hidden).send();
    const bool linked = done.ok() || done.error() == Error::exists;  // a predecessor may have done it
    if (!linked && done.error() != Error::cancelled)                 // a file system without links
        done = co_await line.begin(Type::renameat)
                   .put(at.number())
                   .text(name)
                   .put(root.number())
                   .text(hidden)
                   .send();
    if (!linked && !done.ok()) {
        if (done.error() != Error::cancelled) names.forget(names.root().number, hidden, file.number, false);
        co_return done.error();
    }
    names.set_held(file.number, true);
    if (!linked) names.forget(directory, name, file.number, false);
    co_return !linked;
}

Task<Result<u64>> Changes::unlink(Line& line, const Job& job) {
    const Fs::Submission& r = job.entry;
    Names& names = tree_.names();
    if (!valid_name(job.name())) co_return Error::invalid;
    const FidUse at = PITH_CO_TRY(co_await tree_.walk_directory(line, r.file));
    Result<Tree::Found> found = co_await tree_.find(line, r.file, at, job.name());
    if (!found.ok() && found.error() != Error::not_found) co_return found.error();
    const bool again = doubtful(job);
    if (!found.ok() && !again) co_return Error::not_found;
    if (again && (!found.ok() || found->attributes.id.number != state_->intent.subject)) {
        if (job.has(Fs::kHold)) names.set_held(state_->intent.subject, true);
        changed(r.file.number);
        co_return u64{0};
    }
    if ((found->attributes.mode & kTypeMask) == kDirectory) co_return Error::wrong_type;
    const u64 file = found->attributes.id.number;
    intend(job, file, 0);
    bool moved = false;
    const bool hold = job.has(Fs::kHold) || names.held(file);
    if (hold) moved = PITH_CO_TRY(co_await keep(line, at, job.name(), r.file.number, *found));
    if (!moved) PITH_CO_CHECK(co_await unlink_at(line, at.number(), job.name(), 0));
    const bool gone = !hold && found->attributes.links <= 1 && names.find_hidden(file) == Names::kNone;
    found->fid = FidUse();
    names.forget(r.file.number, job.name(), file, gone);
    tree_.fids().forget(file, gone);
    changed(r.file.number);
    static_cast<void>(co_await tree_.clunk_stale(line));
    co_return u64{0};
}

Task<Result<u64>> Changes::remove_directory(Line& line, const Job& job) {
    const Fs::Submission& r = job.entry;
    if (!valid_name(job.name())) co_return Error::invalid;
    const FidUse at = PITH_CO_TRY(co_await tree_.walk_directory(line, r.file));
    Result<Tree::Found> found = co_await tree_.find(line, r.file, at, job.name());
    if (!found.ok() && found.error() != Error::not_found) co_return found.error();
    const bool again = doubtful(job);
    if (!found.ok() && !again) co_return Error::not_found;
    if (again && (!found.ok() || found->attributes.id.number != state_->intent.subject)) co_return u64{0};
    if ((found->attributes.mode & kTypeMask) != kDirectory) co_return Error::wrong_type;
    const u64 directory = found->attributes.id.number;
    intend(job, directory, 0);
    PITH_CO_CHECK(co_await unlink_at(line, at.number(), job.name(), kRemoveDirectory));
    found->fid = FidUse();
    tree_.names().forget(directory);
    tree_.fids().forget(directory, true);
    changed(r.file.number);
    static_cast<void>(co_await tree_.clunk_stale(line));
    co_return u64{0};
}

Task<Result<u64>> Changes::rename(Line& line, const Job& job) {
    const Fs::Submission& r = job.entry;
    if (!valid_name(job.name()) || !valid_name(job.other_name())) co_return Error::invalid;
    if (!allowed(r.other, job.other_name())) co_return Error::access;
    const FidUse from = PITH_CO_TRY(co_await tree_.walk_directory(line, r.file));
    const FidUse to = PITH_CO_TRY(co_await tree_.walk_directory(line, r.other));
    Result<Tree::Found> source = co_await tree_.find(line, r.file, from, job.name());
    if (!source.ok() && source.error() != Error::not_found) co_return source.error();
    Result<Tree::Found> target = co_await tree_.find(line, r.other, to, job.other_name());
    if (!target.ok() && target.error() != Error::not_found) co_return target.error();
    const bool again = doubtful(job);
    const Intent before = again ? state_->intent : Intent{};
    if (before.replaced != 0 && job.has(Fs::kHold)) tree_.names().set_held(before.replaced, true);
    if (again && (!source.ok() || source->attributes.id.number != before.subject)) {
        if (!target.ok() || target->attributes.id.number != before.subject) co_return Error::not_found;
        moved(job, before.subject, target->attributes.mode & kTypeMask, 0, false);
        co_return u64{0};
    }
    if (!source.ok()) co_return Error::not_found;
    const Fs::Attributes moving = source->attributes;
    source->fid = FidUse();
    if (target.ok()) {
        const bool directory = (moving.mode & kTypeMask) == kDirectory;
        if (target->attributes.id == moving.id) co_return u64{0};
        if (!job.has(Fs::kReplace)) co_return Error::exists;
        if (directory != ((target->attributes.mode & kTypeMask) == kDirectory)) co_return Error::wrong_type;
    }
    intend(job, moving.id.number, target.ok() ? target->attributes.id.number : before.replaced);
    PITH_CO_CHECK(co_await move(line, job, from, to, moving, target));
    static_cast<void>(co_await tree_.clunk_stale(line));
    co_return u64{0};
}

Task<Result<>> Changes::move(Line& line, const Job& job, const FidUse& from, const FidUse& to,
                             const Fs::Attributes& source, Result<Tree::Found>& target) {
    Names& names = tree_.names();
    u64 replaced = 0;
    bool gone = false;
    if (target.ok()) {
        const bool directory = (target->attributes.mode & kTypeMask) == kDirectory;
        replaced = target->attributes.id.number;
        const bool hold = !directory && (job.has(Fs::kHold) || names.held(replaced));
        if (hold) PITH_CO_TRY(co_await keep(line, to, job.other_name(), job.entry.other.number, *target));
        gone = directory || (!hold && target->attributes.links <= 1);
        target->fid = FidUse();
    }
    PITH_CO_TRY(co_await line.begin(Type::renameat)
                    .put(from.number())
                    .text(job.name())
                    .put(to.number())
                    .text(job.other_name())
                    .send());
    moved(job, source.id.number, source.mode & kTypeMask, replaced, gone);
    co_return Result<>();
}

/// What is known of names after a rename.
void Changes::moved(const Job& job, u64 file, u32 type, u64 replaced, bool gone) {
    Names& names = tree_.names();
    const Fs::Submission& r = job.entry;
    if (replaced != 0) {
        names.forget(r.other.number, job.other_name(), replaced, gone);
        tree_.fids().forget(replaced, gone);
    }
    names.learn(r.other.number, job.other_name(), file, type);
    names.forget(r.file.number, job.name(), file, false);
    changed(r.file.number);
    changed(r.other.number);
}

}  // namespace pith::virtio_9p
