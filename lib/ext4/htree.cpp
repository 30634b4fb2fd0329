// SPDX-License-Identifier: MIT
// Directory: the index by hash (Linux: Documentation/filesystems/ext4/directory.rst). Block 0 is the root: "." and "..", then pairs
// of hash and block in ascending order, the first without a hash; with one level more, those are nodes of the same kind. A block with
// the low bit of its hash set goes on with the hash of the block before.
#include <algorithm>
#include <array>
#include <cstring>

#include "lib/ext4/directory.hpp"
#include "lib/ext4/extents.hpp"

namespace pith::ext4 {

namespace {

struct Pair {
    u32 hash;  ///< of the first pair: CountLimit
    u32 block;
};
struct CountLimit {
    u16 limit;
    u16 count;
};
struct RootInfo {
    u32 zero;
    u8 hash_version;
    u8 length;
    u8 levels;  ///< of nodes between root and leaves
    u8 flags;
};
static_assert(sizeof(RootInfo) == 8);

constexpr usize kRootInfo = 24;  ///< behind "." and ".."
constexpr usize kRootPairs = kRootInfo + sizeof(RootInfo);
constexpr usize kNodePairs = 8;
constexpr u32 kContinued = 1;
constexpr u32 kKnownHashes = 3;

/// One unused record, without a place for a checksum.
void blank(Buffer& buffer, usize size) {
    std::memset(buffer.data, 0, size);
    reinterpret_cast<ext2_dir_entry*>(buffer.data)->rec_len = static_cast<u16>(size);
}

RootInfo& root_info(Buffer& buffer) { return *reinterpret_cast<RootInfo*>(buffer.data + kRootInfo); }

}  // namespace

/// A block of the index, and a place in it.
struct Directory::Frame {
    Buffer* buffer;
    usize offset;  ///< of its pairs
    u32 at = 0;

    Pair* pairs() const { return reinterpret_cast<Pair*>(buffer->data + offset); }
    CountLimit& head() const { return *reinterpret_cast<CountLimit*>(buffer->data + offset); }
    u32 count() const { return head().count; }
    bool full() const { return head().count >= head().limit; }
    u32 child() const { return pairs()[at].block & 0x0fffffff; }
};

Result<u32> Directory::hash_version() {
    u32 version = volume_.super().s_def_hash_version;
    if (indexed()) version = root_info(*PITH_TRY(block(0))).hash_version;
    if (version >= kKnownHashes) return Error::io;
    const bool plain = (volume_.super().s_flags & EXT2_FLAGS_UNSIGNED_HASH) != 0;
    return version + (plain ? 3 : 0);
}

Result<Directory::Hash> Directory::hash(std::string_view name, u32 version) const {
    Hash hash;
    PITH_EXT2(ext2fs_dirhash2(static_cast<int>(version), name.data(), static_cast<int>(name.size()), nullptr,
                              0, volume_.super().s_hash_seed, &hash.major, &hash.minor));
    return hash;
}

/// How many pairs a block has room for, from `offset` on.
u16 Directory::limit(usize offset) const {
    const usize room = volume_.block_size() - offset - (volume_.checksums() ? sizeof(ext2_dx_tail) : 0);
    return static_cast<u16>(room / sizeof(Pair));
}

Result<Directory::Frame> Directory::frame(u64 index, bool root) {
    Frame frame{PITH_TRY(block(index)), root ? kRootPairs : kNodePairs};
    if (frame.head().limit != limit(frame.offset) || frame.count() == 0 || frame.count() > frame.head().limit)
        return Error::io;
    return frame;
}

/// The blocks of the index on the way to the leaf for `hash`.
Result<std::vector<Directory::Frame>> Directory::walk(u32 hash) {
    std::vector<Frame> path;
    path.push_back(PITH_TRY(frame(0, true)));
    const RootInfo& info = root_info(*path[0].buffer);
    if (info.levels > 1 || info.length != sizeof(RootInfo) || info.zero != 0) return Error::io;
    for (;;) {
        Frame& last = path.back();
        const Pair* pairs = last.pairs();
        const Pair* found = std::upper_bound(pairs + 1, pairs + last.count(), hash,
                                             [](u32 value, const Pair& pair) { return value < pair.hash; });
        last.at = static_cast<u32>(found - pairs - 1);
        if (path.size() > info.levels) return path;
        path.push_back(PITH_TRY(frame(last.child(), false)));
    }
}

Result<std::vector<u64>> Directory::leaves(u32 hash, u64& next) {
    std::vector<Frame> path = PITH_TRY(walk(hash));
    std::vector<u64> found{path.back().child()};
    for (;;) {
        // On to the next leaf: perhaps in the next node.
        usize level = path.size();
        while (level > 0 && path[level - 1].at + 1 >= path[level - 1].count()) level--;
        next = 0;
        if (level == 0) return found;
        Frame& up = path[level - 1];
        up.at++;
        const u32 first = up.pairs()[up.at].hash;
        if (level < path.size()) path[level] = PITH_TRY(frame(up.child(), false));
        next = first;
        if ((first & kContinued) == 0) return found;
        if (found.size() > blocks()) return Error::io;
        found.push_back(path.back().child());
    }
}

Result<Entry> Directory::find_by_hash(std::string_view name) {
    const u32 version = PITH_TRY(hash_version());
    const Hash hash = PITH_TRY(this->hash(name, version));
    u64 next = 0;
    for (const u64 index : PITH_TRY(leaves(hash.major, next))) {
        Result<Entry> entry = find_in(index, name);
        if (entry.ok() || entry.error() != Error::not_found) return entry;
    }
    return Error::not_found;
}

Result<> Directory::insert_index(Frame& frame, u32 hash, u64 block) {
    PITH_CHECK(volume_.cache().change(*frame.buffer));
    Pair* at = frame.pairs() + frame.at + 1;
    std::memmove(at + 1, at, (frame.count() - frame.at - 1) * sizeof(Pair));
    *at = {hash, static_cast<u32>(block)};
    frame.head().count++;
    return seal(*frame.buffer);
}

/// One block becomes two: the root of an index, and its only leaf.
Result<> Directory::make_index() {
    const u8 version = volume_.super().s_def_hash_version;
    Buffer* root = PITH_TRY(block(0));
    u64 index = 0;
    Buffer* leaf = PITH_TRY(append(index));
    EntryReader reader(volume_, *root, 0);
    u32 parent = 0;
    std::vector<Named> entries;
    for (Entry entry; reader.next(entry);) {
        if (entry.name == "..") parent = entry.inode;
        if (entry.inode == 0 || entry.name == "." || entry.name == "..") continue;
        entries.push_back({entry.name, entry.inode, entry.type});
    }
    if (reader.broken() || parent == 0) return Error::io;
    fill(*leaf, entries);
    PITH_CHECK(seal(*leaf));
    PITH_CHECK(volume_.cache().change(*root));
    blank(*root, volume_.block_size());
    fill(*root, std::array{Named{".", inode_.number, EXT2_FT_DIR}, Named{"..", parent, EXT2_FT_DIR}});
    root_info(*root) = {0, version, sizeof(RootInfo), 0, 0};
    const Frame frame{root, kRootPairs};
    frame.head() = {limit(kRootPairs), 1};
    frame.pairs()[0].block = static_cast<u32>(index);
    PITH_CHECK(seal(*root));
    inode_.raw->i_flags |= EXT2_INDEX_FL;
    return {};
}

/// The last block of the path has room for a pair more afterwards. Errors: no_space: the index can't become bigger.
Result<> Directory::make_room(std::vector<Frame>& path) {
    if (!path.back().full()) return {};
    if (path.size() == 2 && path[0].full()) return Error::no_space;
    u64 index = 0;
    Buffer* buffer = PITH_TRY(append(index));
    blank(*buffer, volume_.block_size());
    Frame added{buffer, kNodePairs};
    Frame& full = path.back();
    PITH_CHECK(volume_.cache().change(*full.buffer));
    if (path.size() == 1) {
        // All of the root's go into a node below it.
        std::memcpy(added.pairs(), full.pairs(), full.count() * sizeof(Pair));
        added.head() = {limit(kNodePairs), static_cast<u16>(full.count())};
        added.at = full.at;
        full.head().count = 1;
        full.pairs()[0].block = static_cast<u32>(index);
        full.at = 0;
        root_info(*full.buffer).levels = 1;
        PITH_CHECK(seal(*full.buffer));
        PITH_CHECK(seal(*buffer));
        path.push_back(added);
        return {};
    }
    const u32 keep = full.count() / 2, moved = full.count() - keep;
    const u32 hash = full.pairs()[keep].hash;
    std::memcpy(added.pairs(), full.pairs() + keep, moved * sizeof(Pair));
    added.head() = {limit(kNodePairs), static_cast<u16>(moved)};
    full.head().count = static_cast<u16>(keep);
    PITH_CHECK(seal(*full.buffer));
    PITH_CHECK(seal(*buffer));
    PITH_CHECK(insert_index(path[0], hash, index));
    if (full.at >= keep) {
        added.at = full.at - keep;
        path[0].at++;
        path.back() = added;
    }
    return {};
}

/// Half of a leaf's entries go into a new one, to within half an entry: so both have room for any name. Returns the leaf for `hash`.
Result<u64> Directory::split(std::vector<Frame>& path, u64 leaf, u32 hash, u32 version) {
    Buffer* buffer = PITH_TRY(block(leaf));
    const std::vector<u8> before(buffer->data, buffer->data + volume_.block_size());
    std::vector<Named> entries;
    EntryReader reader(volume_, *buffer, leaf);
    u32 total = 0;
    for (Entry entry; reader.next(entry);) {
        if (entry.inode == 0) continue;
        const Hash found = PITH_TRY(this->hash(entry.name, version));
        const auto* name = reinterpret_cast<const char*>(before.data()) + entry.offset + 8;
        const u32 size = record_size(entry.name.size());
        entries.push_back({{name, entry.name.size()}, entry.inode, entry.type, found.major, size});
        total += size;
    }
    if (reader.broken() || entries.size() < 2) return Error::io;
    std::ranges::sort(entries, {}, &Named::hash);
    usize at = 0;
    for (u32 size = 0; at < entries.size() - 1 && (at == 0 || size + entries[at].size / 2 <= total / 2); at++)
        size += entries[at].size;
    const u32 first = entries[at].hash;
    const bool continued = entries[at - 1].hash == first;
    u64 added = 0;
    Buffer* other = PITH_TRY(append(added));
    PITH_CHECK(volume_.cache().change(*buffer));
    clear(*buffer);
    const std::span<const Named> all = entries;
    fill(*buffer, all.subspan(0, at));
    fill(*other, all.subspan(at));
    PITH_CHECK(seal(*buffer));
    PITH_CHECK(seal(*other));
    PITH_CHECK(insert_index(path.back(), first | (continued ? kContinued : 0), added));
    return hash >= first ? added : leaf;
}

Result<> Directory::add_by_hash(std::string_view name, u32 inode, u8 type) {
    const u32 version = PITH_TRY(hash_version());
    const Hash hash = PITH_TRY(this->hash(name, version));
    std::vector<Frame> path = PITH_TRY(walk(hash.major));
    u64 leaf = path.back().child();
    if (PITH_TRY(add_to(leaf, name, inode, type))) return {};
    PITH_CHECK(make_room(path));
    leaf = PITH_TRY(split(path, leaf, hash.major, version));
    if (!PITH_TRY(add_to(leaf, name, inode, type))) return Error::no_space;
    return {};
}

}  // namespace pith::ext4
