// SPDX-License-Identifier: MIT
#include "servers/fs/virtio_9p/names.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace pith::virtio_9p {

namespace {

/// The compiler leaves stores before it before it: a server can be ended between any two.
void settle() { std::atomic_signal_fence(std::memory_order_seq_cst); }

u64 mix(u64 hash, u64 word) {
    hash = (hash ^ word) * 0xff51'afd7'ed55'8ccd;
    return hash ^ hash >> 32;
}

}  // namespace

Names::Names(std::span<u8> memory)
    : records_(reinterpret_cast<Record*>(memory.data()),
               std::min<usize>(memory.size() / sizeof(Record), kMaxRecords)) {
    for (u32& head : buckets_) head = kNone;
    for (u32 i = 0; i < records_.size(); i++) {
        const Record& record = records_[i];
        const bool good = (record.kind == named || record.kind == gone || record.kind == nameless) &&
                          record.length <= Fs::kMaxName && record.state_check == state_check(record) &&
                          record.checksum == checksum(record);
        if (good) {
            link(i);
        } else {
            records_[i].kind = free;
            places_[i].chain = free_;
            free_ = i;
        }
    }
    // A directory is newer than what is in it, also after a restart.
    for (u32 i = 0; i < records_.size(); i++)
        if (records_[i].kind != free) touch(records_[i].file);
}

u64 Names::checksum(const Record& record) {
    u64 hash = mix(mix(mix(0x5eed, record.file), record.parent), u64{record.type} << 32 | record.length);
    const u32 length = std::min(record.length, Fs::kMaxName);
    for (u32 at = 0; at < length; at += 8) {
        u64 word = 0;
        std::memcpy(&word, record.name + at, std::min<u32>(8, length - at));
        hash = mix(hash, word);
    }
    return hash;
}

u32 Names::state_check(const Record& record) {
    return static_cast<u32>(mix(mix(record.file, record.kind), record.generation));
}

void Names::set_state(Record& record, Kind kind, u32 generation) {
    record.kind = free;
    settle();
    record.generation = generation;
    Record wanted = {};
    wanted.file = record.file, wanted.kind = kind, wanted.generation = generation;
    record.state_check = state_check(wanted);
    settle();
    record.kind = kind;
    settle();
}

void Names::clear() {
    for (u32& head : buckets_) head = kNone;
    newest_ = oldest_ = free_ = kNone;
    for (u32 i = 0; i < records_.size(); i++) {
        records_[i].kind = free;
        places_[i] = Place{};
        places_[i].chain = free_;
        free_ = i;
    }
    root_ = 0;
}

void Names::set_root(u64 number) {
    constexpr u32 kDirectory = 0040000;
    const u32 record = find_name(number, "", number);
    if (record == kNone) {
        clear();
        add(number, "", number, kDirectory, named, 0);
    }
    root_ = number;
}

u32 Names::first(u64 file) const {
    u32 record = buckets_[bucket(file)];
    while (record != kNone && records_[record].file != file) record = places_[record].chain;
    return record;
}

u32 Names::following(u32 record) const {
    const u64 file = records_[record].file;
    record = places_[record].chain;
    while (record != kNone && records_[record].file != file) record = places_[record].chain;
    return record;
}

u32 Names::find(u64 file) const {
    u32 record = first(file);
    while (record != kNone && records_[record].kind != named) record = following(record);
    return record;
}

u32 Names::next(u32 record) const {
    do record = following(record);
    while (record != kNone && records_[record].kind != named);
    return record;
}

u32 Names::find_name(u64 parent, std::string_view text, u64 file) const {
    for (u32 record = first(file); record != kNone; record = following(record))
        if (records_[record].kind == named && records_[record].parent == parent && name(record) == text)
            return record;
    return kNone;
}

u32 Names::generation(u64 file) const {
    const u32 record = first(file);
    return record == kNone ? 0 : records_[record].generation;
}

u32 Names::type(Fs::FileId file) const {
    const u32 record = first(file.number);
    if (record == kNone || records_[record].kind == gone || records_[record].generation != file.generation)
        return 0;
    return records_[record].type;
}

Fs::FileId Names::learn(u64 parent, std::string_view text, u64 file, u32 type) {
    const u32 known = first(file);
    u32 number = known == kNone ? 0 : records_[known].generation;
    if (known != kNone && records_[known].kind == gone) number++;
    if (find_name(parent, text, file) == kNone) {
        const bool was_held = held(file), was_unsynced = unsynced(file);
        add(parent, text, file, type, named, number);
        if (was_held) set_held(file, true);
        if (was_unsynced) set_unsynced(file, true);
        // The record without a name has done its duty.
        for (u32 record = first(file); record != kNone; record = following(record))
            if (records_[record].kind != named) {
                drop(record);
                break;
            }
    }
    touch(file);
    return {file, number};
}

/// A free record, if need be the one that was used longest ago.
u32 Names::take() {
    if (free_ == kNone) {
        u32 victim = oldest_;
        while (victim != kNone && (places_[victim].held || hidden(victim) || records_[victim].file == root_))
            victim = places_[victim].newer;
        if (victim == kNone) return kNone;
        drop(victim);
    }
    const u32 record = free_;
    free_ = places_[record].chain;
    return record;
}

u32 Names::add(u64 parent, std::string_view text, u64 file, u32 type, Kind kind, u32 number) {
    const u32 at = take();
    if (at == kNone) return kNone;
    Record& record = records_[at];
    record.file = file;
    record.parent = parent;
    record.type = type;
    record.length = static_cast<u32>(std::min<usize>(text.size(), Fs::kMaxName));
    std::memcpy(record.name, text.data(), record.length);
    record.unsynced = 0;
    record.checksum = checksum(record);
    set_state(record, kind, number);
    link(at);
    return at;
}

void Names::link(u32 record) {
    u32& head = buckets_[bucket(records_[record].file)];
    places_[record] = Place{};
    places_[record].chain = head;
    head = record;
    use(record);
}

void Names::unlink_use(u32 record) {
    Place& place = places_[record];
    if (place.newer != kNone) places_[place.newer].older = place.older;
    else if (newest_ == record) newest_ = place.older;
    if (place.older != kNone) places_[place.older].newer = place.newer;
    else if (oldest_ == record) oldest_ = place.newer;
    place.newer = place.older = kNone;
}

void Names::use(u32 record) {
    unlink_use(record);
    places_[record].older = newest_;
    if (newest_ != kNone) places_[newest_].newer = record;
    newest_ = record;
    if (oldest_ == kNone) oldest_ = record;
}

void Names::touch(u64 file) {
    constexpr u32 kDeepest = 4096;
    for (u32 depth = 0; depth < kDeepest; depth++) {
        const u32 record = first(file);
        if (record == kNone) return;
        use(record);
        for (u32 more = following(record); more != kNone; more = following(more)) use(more);
        if (records_[record].kind != named || records_[record].parent == file) return;
        file = records_[record].parent;
    }
}

void Names::drop(u32 record) {
    records_[record].kind = free;
    settle();
    unlink_use(record);
    u32* link = &buckets_[bucket(records_[record].file)];
    while (*link != record) link = &places_[*link].chain;
    *link = places_[record].chain;
    places_[record] = Place{};
    places_[record].chain = free_;
    free_ = record;
}

void Names::forget(u64 parent, std::string_view text, u64 file, bool removed) {
    const u32 record = find_name(parent, text, file);
    if (record != kNone) remove(record, removed);
}

void Names::forget_record(u32 record, u64 file) {
    if (records_[record].kind == named && records_[record].file == file) remove(record, true);
}

void Names::remove(u32 record, bool removed) {
    const u64 file = records_[record].file;
    if (file == root_) return;
    const bool was_held = held(file), was_unsynced = unsynced(file);
    if (first(file) == record && following(record) == kNone) {
        places_[record].held = false;
        set_state(records_[record], removed ? gone : nameless, records_[record].generation);
        return;
    }
    drop(record);
    if (was_held) set_held(file, true);
    if (was_unsynced) set_unsynced(file, true);
}

void Names::forget(u64 file) {
    u32 record = first(file);
    if (record == kNone || file == root_) return;
    for (u32 more = following(record); more != kNone; more = following(record)) drop(more);
    places_[record].held = false;
    records_[record].unsynced = 0;
    set_state(records_[record], gone, records_[record].generation);
}

void Names::set_held(u64 file, bool held) {
    for (u32 record = first(file); record != kNone; record = following(record)) places_[record].held = held;
}

bool Names::held(u64 file) const {
    for (u32 record = first(file); record != kNone; record = following(record))
        if (places_[record].held) return true;
    return false;
}

void Names::release_all() {
    for (Place& place : places_) place.held = false;
}

u32 Names::find_hidden(u64 file) const {
    for (u32 record = first(file); record != kNone; record = following(record))
        if (records_[record].kind == named && hidden(record)) return record;
    return kNone;
}

u32 Names::next_hidden(u32 record, bool all) const {
    for (; record < records_.size(); record++)
        if (records_[record].kind == named && hidden(record) && (all || !held(records_[record].file)))
            return record;
    return kNone;
}

bool Names::unsynced(u64 file) const {
    for (u32 record = first(file); record != kNone; record = following(record))
        if (records_[record].unsynced != 0) return true;
    return false;
}

void Names::set_unsynced(u64 file, bool unsynced) {
    for (u32 record = first(file); record != kNone; record = following(record))
        records_[record].unsynced = unsynced ? 1 : 0;
}

u32 Names::next_unsynced(u32 record) const {
    for (; record < records_.size(); record++)
        if (records_[record].kind == named && records_[record].unsynced != 0) return record;
    return kNone;
}

}  // namespace pith::virtio_9p
