// SPDX-License-Identifier: MIT
#include "servers/linux/vfs/dev/partitions.hpp"

#include <algorithm>
#include <cstring>

namespace pith::lx {

namespace {

constexpr u8 kTypeGpt = 0xee;
constexpr u64 kMaxEntryBytes = 64 * 1024;

struct [[gnu::packed]] MbrEntry {
    u8 boot;
    u8 first_chs[3];
    u8 type;
    u8 last_chs[3];
    u32 first;
    u32 sectors;
};
struct [[gnu::packed]] BootRecord {
    u8 code[446];
    MbrEntry entries[4];
    u16 signature;
};
static_assert(sizeof(BootRecord) == 512);

struct GptHeader {
    char signature[8];
    u32 revision, size, sum, reserved;
    u64 own, other, first_usable, last_usable;
    u8 disk[16];
    u64 entries;
    u32 count, entry_size, entries_sum;
};
constexpr usize kGptHeaderSize = 92;

struct GptEntry {
    u8 type[16];
    u8 unique[16];
    u64 first, last, attributes;
    u16 name[36];
};
static_assert(sizeof(GptEntry) == 128);

template <typename T>
T read(std::span<const u8> bytes, usize at = 0) {
    T value{};
    std::memcpy(&value, bytes.data() + at, std::min(sizeof value, bytes.size() - at));
    return value;
}

/// CRC-32 of IEEE 802.3, continued from `sum`; 0 at the start.
u32 crc32(u32 sum, std::span<const u8> bytes) {
    static constexpr u32 kNibble[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    sum = ~sum;
    for (const u8 byte : bytes) {
        sum ^= byte;
        sum = sum >> 4 ^ kNibble[sum & 15];
        sum = sum >> 4 ^ kNibble[sum & 15];
    }
    return ~sum;
}

bool extended_type(u8 type) { return type == 0x05 || type == 0x0f || type == 0x85; }

/// A boot sector of another kind has code where a table would be.
bool plausible(const BootRecord& record) {
    return record.signature == 0xaa55 && std::ranges::all_of(record.entries, [](const MbrEntry& e) {
               return e.boot == 0 || e.boot == 0x80;
           });
}

}  // namespace

PartitionScan::PartitionScan(u64 disk_sectors) : disk_sectors_(disk_sectors) {
    if (disk_sectors != 0) want(0, 1, Step::boot_record);
}

void PartitionScan::want(u64 sector, u64 sectors, Step step) {
    step_ = step;
    wanted_ = {sector, static_cast<u32>(std::min<u64>(sectors, kMaxRead))};
}

void PartitionScan::feed(std::span<const u8> bytes) {
    const bool readable = wanted_.sectors != 0 && bytes.size() == wanted_.sectors * kSectorSize;
    switch (step_) {
        case Step::boot_record: return readable ? boot_record(bytes) : finish();
        case Step::header: return readable ? header(bytes) : try_backup();
        case Step::entries: return readable ? entries(bytes) : try_backup();
        case Step::extended: return readable ? extended(bytes) : finish();
    }
}

void PartitionScan::add(u32 number, u64 first, u64 sectors) {
    if (count_ == kMaxPartitions || number > kMaxPartitions || first == 0 || sectors == 0 ||
        first >= disk_sectors_ || sectors > disk_sectors_ - first)
        return;
    for (const Partition& other : partitions())
        if (first < other.first + other.sectors && other.first < first + sectors) return;
    partitions_[count_++] = {number, first, sectors};
}

void PartitionScan::boot_record(std::span<const u8> bytes) {
    finish();
    const auto record = read<BootRecord>(bytes);
    if (!plausible(record)) return;
    if (std::ranges::any_of(record.entries, [](const MbrEntry& e) { return e.type == kTypeGpt; }))
        return disk_sectors_ > 2 ? want(1, 1, Step::header) : finish();
    for (u32 i = 0; i < 4; ++i) {
        const MbrEntry& entry = record.entries[i];
        if (entry.type == 0) continue;
        if (!extended_type(entry.type)) {
            add(i + 1, entry.first, entry.sectors);
        } else if (extended_sectors_ == 0 && entry.first != 0 && entry.first < disk_sectors_) {
            // Of the container only its record can be seen, so that nobody overwrites what is inside.
            extended_first_ = record_ = entry.first;
            extended_sectors_ = std::min<u64>(entry.sectors, disk_sectors_ - entry.first);
            add(i + 1, entry.first, std::min<u64>(extended_sectors_, 2));
        }
    }
    if (extended_sectors_ != 0) want(record_, 1, Step::extended);
}

/// A record of the chain: one logical partition, and where the next record is.
void PartitionScan::extended(std::span<const u8> bytes) {
    finish();
    const auto record = read<BootRecord>(bytes);
    if (!plausible(record)) return;
    u64 next = 0;
    ++records_;
    for (u32 i = 0; i < 2; ++i) {
        const MbrEntry& entry = record.entries[i];
        if (entry.type == 0 || entry.sectors == 0) continue;
        const bool leads_on = extended_type(entry.type);
        const u64 first = (leads_on ? extended_first_ : record_) + entry.first;
        const u32 number = leads_on ? 0 : next_logical_++;
        if (first < extended_first_ || first - extended_first_ >= extended_sectors_) continue;
        if (leads_on) next = first;
        else if (entry.first != 0 && entry.sectors <= extended_sectors_ - (first - extended_first_))
            add(number, first, entry.sectors);
    }
    // Forwards only: a chain that leads back would never end.
    if (next <= record_ || records_ == kMaxPartitions) return;
    record_ = next;
    want(record_, 1, Step::extended);
}

void PartitionScan::try_backup() {
    count_ = 0;
    if (backup_) return finish();
    backup_ = true;
    want(disk_sectors_ - 1, 1, Step::header);
}

void PartitionScan::header(std::span<const u8> bytes) {
    const auto header = read<GptHeader>(bytes.first(kGptHeaderSize));
    if (std::memcmp(header.signature, "EFI PART", 8) != 0 || header.size < kGptHeaderSize ||
        header.size > kSectorSize || header.own != wanted_.sector)
        return try_backup();
    u8 summed[kSectorSize];
    std::memcpy(summed, bytes.data(), sizeof summed);
    std::memset(summed + offsetof(GptHeader, sum), 0, sizeof header.sum);
    if (crc32(0, {summed, header.size}) != header.sum) return try_backup();
    const u64 size = u64{header.count} * header.entry_size;
    const bool sizes = header.entry_size >= sizeof(GptEntry) && header.entry_size <= kSectorSize &&
                       (header.entry_size & (header.entry_size - 1)) == 0 && size != 0 &&
                       size <= kMaxEntryBytes;
    if (!sizes || header.first_usable > header.last_usable || header.last_usable >= disk_sectors_)
        return try_backup();
    const u64 sectors = (size + kSectorSize - 1) / kSectorSize;
    if (header.entries < 2 || header.entries >= disk_sectors_ || sectors > disk_sectors_ - header.entries)
        return try_backup();
    gpt_ = {header.first_usable,
            header.last_usable,
            header.entries,
            size,
            0,
            header.entry_size,
            header.entries_sum,
            0};
    want(header.entries, sectors, Step::entries);
}

void PartitionScan::entries(std::span<const u8> bytes) {
    const std::span<const u8> part = bytes.first(std::min<u64>(bytes.size(), gpt_.bytes - gpt_.done));
    gpt_.sum = crc32(gpt_.sum, part);
    for (u64 at = 0; at < part.size(); at += gpt_.entry_size) {
        const u64 number = (gpt_.done + at) / gpt_.entry_size + 1;
        const auto entry = read<GptEntry>(part, at);
        const bool empty = std::ranges::all_of(entry.type, [](u8 byte) { return byte == 0; });
        if (empty || number > kMaxPartitions || entry.first < gpt_.first_usable ||
            entry.last > gpt_.last_usable || entry.last < entry.first)
            continue;
        add(static_cast<u32>(number), entry.first, entry.last - entry.first + 1);
    }
    gpt_.done += part.size();
    if (gpt_.done < gpt_.bytes) {
        const u64 left = (gpt_.bytes - gpt_.done + kSectorSize - 1) / kSectorSize;
        return want(wanted_.sector + wanted_.sectors, left, Step::entries);
    }
    // Only now it is known whether the entries are what was written.
    if (gpt_.sum != gpt_.entries_sum) return try_backup();
    finish();
}

}  // namespace pith::lx
