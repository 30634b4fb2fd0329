// SPDX-License-Identifier: MIT
// FileSystem: listing directories. The cookie of an entry is its hash, as Linux has it, so that it stays good when the index
// splits blocks and moves entries; directories that will never have an index are listed by place, where entries never move.
#include <algorithm>

#include "lib/ext4/directory.hpp"
#include "lib/ext4/file_system.hpp"

namespace pith::ext4 {

namespace {

constexpr u64 kAfterDot = 1, kAfterDots = 2;  ///< cookies

struct Hashed {
    u64 cookie;
    Entry entry;
};

u64 cookie_of(const Directory::Hash& hash) {
    return std::max<u64>(u64{hash.major >> 1} << 32 | hash.minor, kAfterDots + 1);
}

}  // namespace

Result<> FileSystem::list(FileId directory, u64 cookie, const std::function<bool(const Listed&)>& entry) {
    return look([&]() -> Result<> {
        Inode inode = PITH_TRY(open_directory(directory));
        Directory names(*volume_, inode);
        const bool one = names.blocks() == 1 && ext2fs_has_feature_dir_index(volume_->fs()->super) != 0;
        if ((one || names.indexed()) && names.hash_version().ok()) return list_by_hash(inode, cookie, entry);
        return list_by_place(inode, cookie, entry);
    });
}

Result<> FileSystem::list_by_hash(Inode& directory, u64 cookie,
                                  const std::function<bool(const Listed&)>& entry) {
    Directory names(*volume_, directory);
    const u32 version = PITH_TRY(names.hash_version());
    if (cookie < kAfterDots) {
        const Entry dots = PITH_TRY(names.find(".."));
        if (cookie < kAfterDot && !entry({".", directory.number, EXT2_FT_DIR, kAfterDot})) return {};
        if (!entry({"..", dots.inode, EXT2_FT_DIR, kAfterDots})) return {};
        cookie = kAfterDots;
    }
    u64 next = (cookie >> 32) << 1;
    for (u64 steps = 0; steps <= names.blocks(); steps++) {
        std::vector<u64> blocks{0};
        const auto hash = static_cast<u32>(next);
        if (names.indexed()) blocks = PITH_TRY(names.leaves(hash, next));
        else next = 0;
        std::vector<Hashed> found;
        for (const u64 index : blocks) {
            EntryReader reader(*volume_, *PITH_TRY(names.block(index)), index);
            for (Entry one; reader.next(one);) {
                if (one.inode == 0 || one.name == "." || one.name == "..") continue;
                const u64 at = cookie_of(PITH_TRY(names.hash(one.name, version)));
                if (at > cookie) found.push_back({at, one});
            }
            if (reader.broken()) return Error::io;
        }
        std::ranges::sort(found, {}, &Hashed::cookie);
        for (const Hashed& one : found)
            if (!entry({one.entry.name, one.entry.inode, one.entry.type, one.cookie})) return {};
        if (next == 0) return {};
        if (next <= hash) return Error::io;  // not in order
    }
    return Error::io;
}

Result<> FileSystem::list_by_place(Inode& directory, u64 cookie,
                                   const std::function<bool(const Listed&)>& entry) {
    Directory names(*volume_, directory);
    const usize size = volume_->block_size();
    for (u64 index = cookie / size; index < names.blocks(); index++) {
        EntryReader reader(*volume_, *PITH_TRY(names.block(index)), index);
        for (Entry one; reader.next(one);) {
            const u64 at = index * size + one.offset;
            if (at < cookie || one.inode == 0) continue;
            if (!entry({one.name, one.inode, one.type, at + one.length})) return {};
        }
        if (reader.broken()) return Error::io;
    }
    return {};
}

}  // namespace pith::ext4
