// SPDX-License-Identifier: MIT
#include "servers/fs/virtio_9p/looks.hpp"

#include <algorithm>

#include "lib/base/round.hpp"

namespace pith::virtio_9p {

namespace {

constexpr u32 kListing = 7168;  // bytes of entries asked for at once; the answer's place has room for them
constexpr u32 kLeastListing = 512;  // an entry fits for sure
constexpr u64 kMaxOffset = ~u64{0} >> 1;

}  // namespace

Task<Result<u64>> Looks::run(Line& line, const Job& job) {
    using enum Fs::Operation;
    switch (job.operation()) {
        case lookup: co_return co_await this->lookup(line, job);
        case read: co_return co_await this->read(line, job);
        case list: co_return co_await this->list(line, job);
        case read_link: co_return co_await this->read_link(line, job);
        case seek: co_return co_await this->seek(line, job);
        case statistics: {
            const Fs::Statistics found = PITH_CO_TRY(co_await tree_.statistics(line));
            PITH_CO_CHECK(job.put(found));
            co_return u64{0};
        }
        case attributes: {
            const Tree::Found found = PITH_CO_TRY(co_await tree_.look(line, job.entry.file));
            PITH_CO_CHECK(job.put(found.attributes));
            co_return u64{0};
        }
        case hold:
            if (tree_.names().type(job.entry.file) == 0) co_return Error::bad_handle;
            tree_.names().set_held(job.entry.file.number, true);
            co_return u64{0};
        case commit: PITH_CO_CHECK(co_await this->commit(line)); co_return u64{0};
        default: co_return Error::invalid;
    }
}

Task<Result<u64>> Looks::lookup(Line& line, const Job& job) {
    if (!valid_name(job.name())) co_return Error::invalid;
    const FidUse at = PITH_CO_TRY(co_await tree_.walk_directory(line, job.entry.file));
    const Tree::Found found = PITH_CO_TRY(co_await tree_.find(line, job.entry.file, at, job.name()));
    PITH_CO_CHECK(job.put(found.attributes));
    co_return u64{0};
}

Task<Result<u64>> Looks::read(Line& line, const Job& job) {
    const Fs::Submission& r = job.entry;
    if (r.length > job.place.size()) co_return Error::invalid;
    const FidUse fid = PITH_CO_TRY(co_await tree_.open(line, r.file, Use::read, kRegular));
    if (r.length == 0 || r.offset > kMaxOffset - r.length) co_return u64{0};
    const u32 length = static_cast<u32>(r.length);
    Reader reply = PITH_CO_TRY(co_await line.begin(Type::read)
                                   .put(fid.number())
                                   .put(r.offset)
                                   .put(length)
                                   .send({}, {r.place, length}));
    co_return u64{reply.get<u32>()};
}

/// Entries as the host gives them become ours. `full`: the next one doesn't fit any more.
Result<usize> Looks::take_entries(Reader entries, bool root, std::span<u8> to, u64& cookie,
                                  bool& full) const {
    usize used = 0;
    while (entries.left() != 0) {
        const Qid qid = entries.qid();
        const u64 next = entries.get<u64>();
        const u32 type = u32{entries.get<u8>()} << 12;
        const std::string_view name = entries.text();
        if (entries.bad() || next == 0) return Error::io;
        const bool shown = valid_name(name) && !(root && Names::hidden_name(name));
        const usize size = round_up(sizeof(Fs::Entry) + name.size(), 8);
        full = shown && size > to.size() - used;
        if (full) break;
        cookie = next;
        if (!shown) continue;
        const Fs::Entry entry{qid.path, next, type & kTypeMask, static_cast<u16>(name.size()),
                              static_cast<u16>(size)};
        std::memcpy(to.data() + used, &entry, sizeof(entry));
        std::memcpy(to.data() + used + sizeof(entry), name.data(), name.size());
        used += size;
    }
    return used;
}

Task<Result<u64>> Looks::list(Line& line, const Job& job) {
    const FidUse fid = PITH_CO_TRY(co_await tree_.open(line, job.entry.file, Use::read, kDirectory));
    const bool root = job.entry.file.number == tree_.names().root().number;
    u64 cookie = job.entry.offset;
    usize used = 0;
    for (bool full = false; !full && (used == 0 || job.place.size() - used >= kLeastListing);) {
        const u32 wanted = static_cast<u32>(
            std::clamp<usize>(job.place.size() - used, kLeastListing, kListing));
        Reader reply = PITH_CO_TRY(
            co_await line.begin(Type::readdir).put(fid.number()).put(cookie).put(wanted).send());
        const u32 size = reply.get<u32>();
        if (size > wanted || size != reply.left()) co_return Error::io;
        if (size == 0) break;
        used += PITH_CO_TRY(take_entries(reply, root, job.place.subspan(used), cookie, full));
        if (full && used == 0) co_return Error::invalid;
    }
    co_return u64{used};
}

Task<Result<u64>> Looks::read_link(Line& line, const Job& job) {
    const u32 type = tree_.names().type(job.entry.file);
    if (type != 0 && type != kSymbolicLink) co_return Error::wrong_type;
    const FidUse fid = PITH_CO_TRY(co_await tree_.walk(line, job.entry.file));
    Reader reply = PITH_CO_TRY(co_await line.begin(Type::readlink).put(fid.number()).send());
    const std::string_view target = reply.text();
    if (reply.bad()) co_return Error::io;
    if (target.size() > job.place.size()) co_return Error::invalid;
    std::memcpy(job.place.data(), target.data(), target.size());
    co_return u64{target.size()};
}

/// The host doesn't tell holes: all is data.
Task<Result<u64>> Looks::seek(Line& line, const Job& job) {
    const Tree::Found found = PITH_CO_TRY(co_await tree_.look(line, job.entry.file));
    if ((found.attributes.mode & kTypeMask) != kRegular) co_return Error::wrong_type;
    if (job.entry.offset >= found.attributes.size) co_return Error::not_found;
    co_return job.has(Fs::kHole) ? found.attributes.size : job.entry.offset;
}

/// The host's disk takes many at a time better than one after the other.
Task<Result<>> Looks::commit(Line& line) {
    Round round;
    for (u32 i = 0; i < kHelpers && channel_.free(); i++) {
        if (tree_.names().next_unsynced(round.next) == Names::kNone) break;
        round.helpers++;
        if (!spawn(help(round))) round.helpers--;
    }
    static_cast<void>(co_await work(line, round));
    co_await round;
    if (line.cancelled()) co_return Error::cancelled;
    co_return round.error;
}

Task<void> Looks::help(Round& round) {
    {
        Line line(channel_);
        static_cast<void>(co_await work(line, round));
    }
    if (--round.helpers == 0 && round.waiter) round.waiter.resume();
}

Task<Result<>> Looks::work(Line& line, Round& round) {
    Names& names = tree_.names();
    for (u32 at; (at = names.next_unsynced(round.next)) != Names::kNone;) {
        round.next = at + 1;
        const u64 file = names.file(at);
        const Result<> synced = co_await sync(line, names.id(file));
        if (synced.error() == Error::cancelled) co_return Error::cancelled;
        if (!synced.ok() && synced.error() != Error::bad_handle) round.error = Error::io;
        names.set_unsynced(file, false);
    }
    round.next = Names::kMaxRecords;
    co_return Result<>();
}

Task<Result<>> Looks::sync(Line& line, Fs::FileId file) {
    const u32 type = tree_.names().type(file);
    if (type != kRegular && type != kDirectory) co_return Result<>();
    Fid* const open = tree_.fids().find(file.number, Use::write);
    FidUse fid = open != nullptr ? FidUse(*open) : FidUse();
    if (!fid.valid()) {
        auto opened = co_await tree_.open(line, file, Use::read, type);
        if (opened.error() == Error::access && type == kRegular)
            opened = co_await tree_.open(line, file, Use::write, type);
        if (!opened.ok()) co_return opened.error();
        fid = std::move(opened).value();
    }
    PITH_CO_TRY(co_await line.begin(Type::fsync).put(fid.number()).put(u32{0}).send());
    co_return Result<>();
}

}  // namespace pith::virtio_9p
