// SPDX-License-Identifier: MIT
#include "lib/ext4/directory.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "lib/ext4/extents.hpp"

namespace pith::ext4 {

namespace {

constexpr u32 kHeader = 8;  ///< of a record, before the name
constexpr u32 kTail = sizeof(ext2_dir_entry_tail);

struct Record {
    u32 inode;
    u16 length;
    u8 name_length;
    u8 type;
    char name[1];
};
static_assert(offsetof(Record, name) == kHeader);

Record& record_at(Buffer& buffer, u32 offset) { return *reinterpret_cast<Record*>(buffer.data + offset); }

void put(Record& record, std::string_view name, u32 inode, u8 type) {
    record.inode = inode;
    record.name_length = static_cast<u8>(name.size());
    record.type = type;
    std::memcpy(record.name, name.data(), name.size());
}

ext2_dir_entry* as_entry(Buffer& buffer) { return reinterpret_cast<ext2_dir_entry*>(buffer.data); }

}  // namespace

u32 record_size(usize name) { return static_cast<u32>((kHeader + name + 3) & ~usize{3}); }

EntryReader::EntryReader(Volume& volume, Buffer& buffer, u64 block)
    : buffer_(buffer), block_(block), size_(static_cast<u32>(volume.block_size())) {
    if (!volume.checksums()) return;
    const Record& tail = record_at(buffer, size_ - kTail);
    // Blocks of an index have no such tail, and one record over all of the block.
    if (tail.inode == 0 && tail.length == kTail && tail.name_length == 0 && tail.type == 0xde) size_ -= kTail;
}

bool EntryReader::next(Entry& entry) {
    if (at_ >= size_) return false;
    const Record& record = record_at(buffer_, at_);
    if (size_ - at_ < kHeader || record.length < kHeader || record.length % 4 != 0 ||
        record.length > size_ - at_ ||
        (record.inode != 0 && record_size(record.name_length) > record.length)) {
        broken_ = true;
        return false;
    }
    // One by one: a copy of the whole would be a call.
    entry.inode = record.inode;
    entry.type = record.type;
    entry.name = {record.name, record.inode != 0 ? record.name_length : 0u};
    entry.buffer = &buffer_;
    entry.offset = at_;
    entry.length = record.length;
    entry.previous = previous_;
    entry.block = block_;
    previous_ = at_;
    at_ += record.length;
    return true;
}

Result<Buffer*> Directory::block(u64 index) {
    const Mapping mapping = PITH_TRY(find_blocks(volume_, inode_, index, 1));
    if (mapping.state != Mapping::written) return Error::io;
    Buffer* buffer = PITH_TRY(volume_.cache().read(mapping.block));
    if (!buffer->checked && !buffer->running) {
        if (ext2fs_dir_block_csum_verify(volume_.fs(), inode_.number, as_entry(*buffer)) == 0)
            return Error::io;
        buffer->checked = true;
    }
    return buffer;
}

Result<> Directory::seal(Buffer& buffer) {
    PITH_EXT2(ext2fs_dir_block_csum_set(volume_.fs(), inode_.number, as_entry(buffer)));
    buffer.checked = true;
    return {};
}

Result<Entry> Directory::find_in(u64 index, std::string_view name) {
    Buffer* buffer = PITH_TRY(block(index));
    EntryReader reader(volume_, *buffer, index);
    for (Entry entry; reader.next(entry);)
        if (entry.inode != 0 && entry.name == name) return entry;
    return reader.broken() ? Error::io : Error::not_found;
}

Result<Entry> Directory::find(std::string_view name) {
    if (indexed() && name != "." && name != ".." && hash_version().ok()) return find_by_hash(name);
    const u64 count = indexed() && (name == "." || name == "..") ? 1 : blocks();
    for (u64 index = 0; index < count; index++) {
        Result<Entry> entry = find_in(index, name);
        if (entry.ok() || entry.error() != Error::not_found) return entry;
    }
    return Error::not_found;
}

/// An entry is put into the unused end of another's record, or into an unused one.
Result<bool> Directory::add_to(u64 index, std::string_view name, u32 inode, u8 type) {
    Buffer* buffer = PITH_TRY(block(index));
    EntryReader reader(volume_, *buffer, index);
    const u32 size = record_size(name.size());
    for (Entry entry; reader.next(entry);) {
        const u32 used = entry.inode == 0 ? 0 : record_size(entry.name.size());
        if (entry.length - used < size) continue;
        PITH_CHECK(volume_.cache().change(*buffer));
        Record& there = record_at(*buffer, entry.offset);
        if (used != 0) there.length = static_cast<u16>(used);
        Record& record = record_at(*buffer, entry.offset + used);
        record.length = static_cast<u16>(entry.length - used);
        put(record, name, inode, type);
        PITH_CHECK(seal(*buffer));
        return true;
    }
    if (reader.broken()) return Error::io;
    return false;
}

/// One unused record, and the checksum's place.
void Directory::clear(Buffer& buffer) {
    const auto size = static_cast<u32>(volume_.block_size());
    std::memset(buffer.data, 0, size);
    const u32 tail = volume_.checksums() ? kTail : 0;
    record_at(buffer, 0).length = static_cast<u16>(size - tail);
    if (tail == 0) return;
    Record& record = record_at(buffer, size - tail);
    record.length = kTail;
    record.type = 0xde;
}

/// The entries of an empty block, one behind the other; the last record takes the rest. They fit.
void Directory::fill(Buffer& buffer, std::span<const Named> entries) {
    u32 at = 0, left = record_at(buffer, 0).length;
    for (const Named& entry : entries) {
        const u32 length = &entry == &entries.back() ? left : record_size(entry.name.size());
        Record& record = record_at(buffer, at);
        put(record, entry.name, entry.inode, entry.type);
        record.length = static_cast<u16>(length);
        at += length;
        left -= length;
    }
}

/// A block more at the end; it is empty, and `index` receives its number.
Result<Buffer*> Directory::append(u64& index) {
    index = blocks();
    u64 goal = ext2fs_group_first_block2(volume_.fs(), ext2fs_group_of_ino(volume_.fs(), inode_.number));
    if (index > 0) goal = PITH_TRY(find_blocks(volume_, inode_, index - 1, 1)).block + 1;
    const Blocks blocks = PITH_TRY(volume_.allocate(goal, 1));
    PITH_CHECK(volume_.edit(inode_));
    PITH_CHECK(add_extent(volume_, inode_, index, blocks, false));
    inode_.set_size((index + 1) * volume_.block_size());
    Buffer* buffer = PITH_TRY(volume_.cache().fresh(blocks.first));
    clear(*buffer);
    PITH_CHECK(seal(*buffer));
    return buffer;
}

Result<> Directory::add(std::string_view name, u32 inode, u8 type) {
    if (indexed()) return add_by_hash(name, inode, type);
    const u64 count = blocks();
    for (u64 index = 0; index < count; index++)
        if (PITH_TRY(add_to(index, name, inode, type))) return {};
    if (count == 1 && ext2fs_has_feature_dir_index(volume_.fs()->super) != 0 && hash_version().ok()) {
        PITH_CHECK(make_index());
        return add_by_hash(name, inode, type);
    }
    u64 index = 0;
    static_cast<void>(PITH_TRY(append(index)));
    if (!PITH_TRY(add_to(index, name, inode, type))) return Error::io;
    return {};
}

Result<> Directory::remove(const Entry& entry) {
    PITH_CHECK(volume_.cache().change(*entry.buffer));
    Record& record = record_at(*entry.buffer, entry.offset);
    if (entry.previous == entry.offset) {
        record.inode = 0;
        record.name_length = 0;
        record.type = 0;
    } else {
        Record& previous = record_at(*entry.buffer, entry.previous);
        previous.length = static_cast<u16>(previous.length + record.length);
    }
    return seal(*entry.buffer);
}

Result<> Directory::redirect(const Entry& entry, u32 inode, u8 type) {
    PITH_CHECK(volume_.cache().change(*entry.buffer));
    Record& record = record_at(*entry.buffer, entry.offset);
    record.inode = inode;
    record.type = type;
    return seal(*entry.buffer);
}

Result<bool> Directory::empty() {
    for (u64 index = 0; index < blocks(); index++) {
        Buffer* buffer = PITH_TRY(block(index));
        EntryReader reader(volume_, *buffer, index);
        for (Entry entry; reader.next(entry);)
            if (entry.inode != 0 && entry.name != "." && entry.name != "..") return false;
        if (reader.broken()) return Error::io;
    }
    return true;
}

Result<> Directory::make(u32 parent) {
    u64 index = 0;
    Buffer* buffer = PITH_TRY(append(index));
    fill(*buffer, std::array{Named{".", inode_.number, EXT2_FT_DIR}, Named{"..", parent, EXT2_FT_DIR}});
    return seal(*buffer);
}

}  // namespace pith::ext4
