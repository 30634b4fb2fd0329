// SPDX-License-Identifier: MIT
// What a change is, whether it was done before, and those that can be done twice.
#include "servers/fs/virtio_9p/changes.hpp"

#include <algorithm>

namespace pith::virtio_9p {

namespace {

constexpr u64 kMaxOffset = ~u64{0} >> 1;
// Of Tsetattr.
constexpr u32 kMode = 1, kUser = 2, kGroup = 4, kSize = 8, kAccessed = 0x10 | 0x80, kModified = 0x20 | 0x100;
constexpr u32 kOwnerMayWrite = 0200;

u64 digest(const Job& job) {
    u64 hash = 0xcbf2'9ce4'8422'2325;
    const auto add = [&hash](u64 word) {
        hash = (hash ^ word) * 0xff51'afd7'ed55'8ccd;
        hash ^= hash >> 32;
    };
    const Fs::Submission& r = job.entry;
    for (const u64 word : {u64{r.operation}, r.file.number, r.file.generation, r.other.number,
                           r.other.generation, u64{r.name_size}, u64{r.other_size}})
        add(word);
    for (const char c : job.name()) add(static_cast<u8>(c));
    for (const char c : job.other_name()) add(static_cast<u8>(c));
    return hash;
}

}  // namespace

bool Changes::allowed(Fs::FileId directory, std::string_view name) const {
    return directory.number != tree_.names().root().number || !Names::hidden_name(name);
}

bool Changes::doubtful(const Job& job) const {
    return state_->intent.change == job.entry.change && state_->intent.digest == digest(job);
}

void Changes::intend(const Job& job, u64 subject, u64 replaced) {
    state_.set_intent({job.entry.change, digest(job), subject, replaced});
}

Task<Result<u64>> Changes::run(Line& line, const Job& job) {
    using enum Fs::Operation;
    if (job.has(Fs::kAnswered)) co_return co_await redo(line, job);
    switch (job.operation()) {
        case create:
        case create_link: co_return co_await this->create(line, job);
        case link: co_return co_await this->link(line, job);
        case unlink: co_return co_await this->unlink(line, job);
        case remove_directory: co_return co_await this->remove_directory(line, job);
        case rename: co_return co_await this->rename(line, job);
        case set_attributes: co_return co_await this->set_attributes(line, job);
        case write: co_return co_await this->write(line, job);
        case truncate: co_return co_await this->truncate(line, job);
        case allocate:
        case punch:
        case exchange:
        case create_unnamed: co_return Error::unsupported;  // 9P2000.L has no message for them
        case release: co_return co_await this->release(line, job);
        default: co_return Error::invalid;
    }
}

/// It was carried out and answered: what can be done twice is, what can't is there.
Task<Result<u64>> Changes::redo(Line& line, const Job& job) {
    using enum Fs::Operation;
    const Fs::Operation operation = job.operation();
    if (operation == write) co_return co_await this->write(line, job);
    if (operation == truncate) co_return co_await this->truncate(line, job);
    if (operation == set_attributes) co_return co_await this->set_attributes(line, job);
    if (operation == release) co_return co_await this->release(line, job);
    if (operation == create || operation == create_link || operation == link) {
        const Fs::FileId made = operation == link ? job.entry.file : job.entry.answer;
        const Tree::Found found = PITH_CO_TRY(co_await tree_.look(line, made));
        PITH_CO_CHECK(job.put(found.attributes));
        co_return u64{0};
    }
    if (operation != unlink && operation != remove_directory && operation != rename) co_return Error::invalid;
    // What it holds.
    const u64 held = !doubtful(job)        ? 0
                     : operation == unlink ? state_->intent.subject
                                           : state_->intent.replaced;
    if (job.has(Fs::kHold) && held != 0) tree_.names().set_held(held, true);
    co_return u64{0};
}

Task<Result<u64>> Changes::set_attributes(Line& line, const Job& job) {
    const Fs::Submission& r = job.entry;
    const Tree::Found found = PITH_CO_TRY(co_await tree_.look(line, r.file));
    u32 valid = 0;
    if (job.has(Fs::kSetMode)) valid |= kMode;
    if (job.has(Fs::kSetUser) && r.user != found.attributes.user) valid |= kUser;
    if (job.has(Fs::kSetGroup) && r.group != found.attributes.group) valid |= kGroup;
    if (job.has(Fs::kSetAccessed)) valid |= kAccessed;
    if (job.has(Fs::kSetModified)) valid |= kModified;
    if (valid == 0) co_return u64{0};
    changed(r.file.number);
    PITH_CO_TRY(co_await line.begin(Type::setattr)
                    .put(found.fid.number())
                    .put(valid)
                    .put(r.mode & kPermissions)
                    .put(tree_.user(r.user))
                    .put(tree_.group(r.group))
                    .put(u64{0})
                    .put(static_cast<u64>(r.accessed.seconds))
                    .put(u64{r.accessed.nanoseconds})
                    .put(static_cast<u64>(r.modified.seconds))
                    .put(u64{r.modified.nanoseconds})
                    .send());
    co_return u64{0};
}

Task<Result<u64>> Changes::truncate(Line& line, const Job& job) {
    const Fs::Submission& r = job.entry;
    const Tree::Found found = PITH_CO_TRY(co_await tree_.look(line, r.file));
    const u32 mode = found.attributes.mode;
    if ((mode & kTypeMask) != kRegular) co_return Error::wrong_type;
    if (r.offset > kMaxOffset) co_return Error::invalid;
    changed(r.file.number);
    const auto set_size = [&] {
        Message message = line.begin(Type::setattr);
        message.put(found.fid.number()).put(kSize).put(u32{0}).put(u32{0}).put(u32{0}).put(r.offset);
        for (int i = 0; i < 4; i++) message.put(u64{0});
        return message.send();
    };
    auto done = co_await set_size();
    if (done.error() == Error::access && (mode & kOwnerMayWrite) == 0) {
        // As with opening for writing (tree.cpp: open).
        PITH_CO_TRY(co_await tree_.set_mode(line, found.fid.number(), mode | kOwnerMayWrite));
        done = co_await set_size();
        PITH_CO_TRY(co_await tree_.set_mode(line, found.fid.number(), mode));
    }
    if (!done.ok()) co_return done.error();
    co_return u64{0};
}

Task<Result<u64>> Changes::write(Line& line, const Job& job) {
    const Fs::Submission& r = job.entry;
    if (r.length > job.place.size() || r.offset > kMaxOffset - r.length) co_return Error::invalid;
    const FidUse fid = PITH_CO_TRY(co_await tree_.open(line, r.file, Use::write, kRegular));
    changed(r.file.number);
    u64 done = 0;
    while (done < r.length) {
        const u32 rest = static_cast<u32>(r.length - done);
        auto reply = co_await line.begin(Type::write)
                         .put(fid.number())
                         .put(r.offset + done)
                         .put(rest)
                         .send({r.place + done, rest});
        const u32 written = reply.ok() ? reply->get<u32>() : 0;
        if (reply.ok() && (reply->bad() || written > rest)) co_return Error::io;
        if (!reply.ok() && (done == 0 || reply.error() != Error::no_space)) co_return reply.error();
        if (written == 0) break;
        done += written;
    }
    if (done == 0 && r.length != 0) co_return Error::no_space;
    co_return done;
}

Task<Result<u64>> Changes::release(Line& line, const Job& job) {
    const u64 file = job.entry.file.number;
    if (tree_.names().type(job.entry.file) == 0) co_return u64{0};
    tree_.names().set_held(file, false);
    if (tree_.names().find_hidden(file) != Names::kNone) PITH_CO_CHECK(co_await remove(line, file));
    co_return u64{0};
}

/// Of a hidden name, and with it perhaps of the file.
Task<Result<>> Changes::remove(Line& line, u64 file) {
    Names& names = tree_.names();
    auto found = co_await tree_.look(line, names.id(file));
    if (found.error() == Error::cancelled) co_return Error::cancelled;
    const u32 record = names.find_hidden(file);
    if (record == Names::kNone) co_return Result<>();
    const FidUse root = PITH_CO_TRY(co_await tree_.walk(line, names.root()));
    const Result<> done = co_await unlink_at(line, root.number(), names.name(record), 0);
    if (!done.ok() && done.error() != Error::not_found) co_return done.error();
    const bool gone = !found.ok() || found->attributes.links == 0;
    if (const u32 left = names.find_hidden(file); left != Names::kNone) {
        if (gone) names.forget(file);
        else names.forget_record(left, file);
    }
    tree_.fids().forget(file, gone);
    static_cast<void>(co_await tree_.clunk_stale(line));
    co_return Result<>();
}

Task<Result<>> Changes::remove_hidden(Line& line, bool all) {
    Names& names = tree_.names();
    Result<> result;
    for (u32 at = names.next_hidden(0, all); at != Names::kNone; at = names.next_hidden(at + 1, all)) {
        const u64 file = names.file(at);
        names.set_held(file, false);
        if (const Result<> done = co_await remove(line, file); !done.ok()) result = done.error();
    }
    co_return result;
}

Task<Result<>> Changes::unlink_at(Line& line, u32 at, std::string_view name, u32 flags) {
    PITH_CO_TRY(co_await line.begin(Type::unlinkat).put(at).text(name).put(flags).send());
    co_return Result<>();
}

}  // namespace pith::virtio_9p
