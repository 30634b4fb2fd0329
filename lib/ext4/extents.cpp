// SPDX-License-Identifier: MIT
#include "lib/ext4/extents.hpp"

#include <algorithm>

#include "lib/base/assert.hpp"

namespace pith::ext4 {

namespace {

constexpr u32 kMaxDepth = 5;
constexpr u64 kMaxBlocks = u64{1} << 32;  ///< of a file
constexpr u64 kMaxWritten = EXT_INIT_MAX_LEN;
constexpr u64 kMaxUnwritten = EXT_INIT_MAX_LEN - 1;

struct Node {
    const ext3_extent_header* header;
    u32 depth;

    template <typename Entry>
    const Entry* entries() const {
        return reinterpret_cast<const Entry*>(header + 1);
    }
    u32 count() const { return header->eh_entries; }
};

bool right(const ext3_extent_header* header, usize size, u32 depth) {
    const usize fits = (size - sizeof *header) / sizeof(ext3_extent);
    return header->eh_magic == EXT3_EXT_MAGIC && header->eh_depth == depth &&
           header->eh_entries <= header->eh_max && header->eh_max <= fits &&
           (depth == 0 || header->eh_entries > 0);
}

Result<Node> root_of(const Inode& inode) {
    const auto* header = reinterpret_cast<const ext3_extent_header*>(inode.raw->i_block);
    if (header->eh_depth > kMaxDepth || !right(header, sizeof inode.raw->i_block, header->eh_depth))
        return Error::io;
    return Node{header, header->eh_depth};
}

Result<Node> child_of(Volume& volume, const Inode& inode, const Node& node, const ext3_extent_idx& index) {
    const u64 block = index.ei_leaf | u64{index.ei_leaf_hi} << 32;
    if (!volume.ordinary({block, 1})) return Error::io;
    Buffer* buffer = PITH_TRY(volume.cache().read(block));
    auto* header = reinterpret_cast<ext3_extent_header*>(buffer->data);
    if (!right(header, volume.block_size(), node.depth - 1)) return Error::io;
    if (!buffer->checked && !buffer->running) {
        // The checksum stands behind as many entries as the node says it has room for.
        if (header->eh_max < (volume.block_size() - sizeof *header) / sizeof(ext3_extent) - 2 ||
            sizeof *header + sizeof(ext3_extent) * header->eh_max + 4 > volume.block_size())
            return volume.checksums() ? Result<Node>{Error::io} : Result<Node>{Node{header, node.depth - 1}};
        if (ext2fs_extent_block_csum_verify(volume.fs(), inode.number, header) == 0) return Error::io;
        buffer->checked = true;
    }
    return Node{header, node.depth - 1};
}

/// The last of `count` entries whose first block is at most `logical`; `count` when there is none.
template <typename Entry, typename First>
u32 search(const Entry* entries, u32 count, u64 logical, First first) {
    u32 low = 0, high = count;
    while (low < high) {
        const u32 middle = (low + high) / 2;
        if (first(entries[middle]) <= logical) low = middle + 1;
        else high = middle;
    }
    return low == 0 ? count : low - 1;
}

Mapping mapping_of(const ext3_extent& extent) {
    const bool unwritten = extent.ee_len > EXT_INIT_MAX_LEN;
    return {unwritten ? Mapping::unwritten : Mapping::written,
            extent.ee_start | u64{extent.ee_start_hi} << 32,
            unwritten ? extent.ee_len - EXT_INIT_MAX_LEN : extent.ee_len};
}

/// The block maps of ext2 and ext3.
Result<Mapping> find_in_map(Volume& volume, const Inode& inode, u64 logical) {
    const u64 per_block = volume.block_size() / 4;
    u64 index = logical;
    u32 level = 0;
    u64 block = 0;
    if (index < EXT2_NDIR_BLOCKS) {
        block = inode.raw->i_block[index];
    } else {
        index -= EXT2_NDIR_BLOCKS;
        u64 span = per_block;
        for (level = 1; level <= 3 && index >= span; level++) {
            index -= span;
            span *= per_block;
        }
        if (level > 3) return Mapping{Mapping::hole, 0, 1};
        block = inode.raw->i_block[EXT2_NDIR_BLOCKS + level - 1];
        for (; level > 0 && block != 0; level--) {
            span /= per_block;
            if (!volume.ordinary({block, 1})) return Error::io;
            const Buffer* buffer = PITH_TRY(volume.cache().read(block));
            block = reinterpret_cast<const u32*>(buffer->data)[index / span];
            index %= span;
        }
    }
    if (block == 0) return Mapping{Mapping::hole, 0, 1};
    return Mapping{Mapping::written, block, 1};
}

Result<Mapping> find_in_tree(Volume& volume, const Inode& inode, u64 logical) {
    Node node = PITH_TRY(root_of(inode));
    u64 end = kMaxBlocks;  // where the next thing begins
    while (node.depth > 0) {
        const auto* indices = node.entries<ext3_extent_idx>();
        const u32 at = search(indices, node.count(), logical,
                              [](const auto& entry) { return u64{entry.ei_block}; });
        if (at == node.count())
            return Mapping{Mapping::hole, 0, std::max<u64>(indices[0].ei_block, logical + 1) - logical};
        if (at + 1 < node.count()) end = std::min<u64>(end, indices[at + 1].ei_block);
        node = PITH_TRY(child_of(volume, inode, node, indices[at]));
    }
    const auto* extents = node.entries<ext3_extent>();
    const u32 at = search(extents, node.count(), logical,
                          [](const auto& entry) { return u64{entry.ee_block}; });
    const u32 following = at == node.count() ? 0 : at + 1;
    if (following < node.count()) end = std::min<u64>(end, extents[following].ee_block);
    if (end <= logical) return Error::io;  // not in order
    if (at < node.count()) {
        Mapping mapping = mapping_of(extents[at]);
        const u64 within = logical - extents[at].ee_block;
        if (within < mapping.count) {
            mapping.block += within;
            mapping.count = std::min(mapping.count - within, end - logical);
            return mapping;
        }
    }
    return Mapping{Mapping::hole, 0, end - logical};
}

/// The library's handle on an extent tree.
class Handle {
  public:
    static Result<Handle> open(Volume& volume, Inode& inode) {
        Handle handle;
        PITH_EXT2(ext2fs_extent_open2(volume.fs(), inode.number, inode.small(), &handle.raw_));
        return handle;
    }
    Handle(Handle&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
    Handle& operator=(Handle&&) = delete;
    ~Handle() { ext2fs_extent_free(raw_); }
    operator ext2_extent_handle_t() const { return raw_; }  // NOLINT(google-explicit-constructor)

  private:
    Handle() = default;
    ext2_extent_handle_t raw_ = nullptr;
};

/// Goes to the extent that holds `logical`, or to the last before it, or to the first. False: there is none at all.
Result<bool> go_to(const Handle& handle, u64 logical, ext2fs_extent& extent) {
    const errcode_t gone = ext2fs_extent_goto(handle, logical);
    if (gone != 0 && gone != EXT2_ET_EXTENT_NOT_FOUND) return library_error(gone);
    const errcode_t error = ext2fs_extent_get(handle, EXT2_EXTENT_CURRENT, &extent);
    if (error == EXT2_ET_NO_CURRENT_NODE) return false;
    if (error != 0) return library_error(error);
    return true;
}

Result<> insert(const Handle& handle, ext2fs_extent extent) {
    ext2fs_extent current{};
    const bool any = PITH_TRY(go_to(handle, extent.e_lblk, current));
    const bool after = any && current.e_lblk < extent.e_lblk;
    PITH_EXT2(ext2fs_extent_insert(handle, after ? EXT2_EXTENT_INSERT_AFTER : 0, &extent));
    const errcode_t error = ext2fs_extent_fix_parents(handle);
    if (error != EXT2_ET_NO_CURRENT_NODE) PITH_EXT2(error);
    return {};
}

}  // namespace

Result<Mapping> find_blocks(Volume& volume, const Inode& inode, u64 logical, u64 most) {
    if (logical >= kMaxBlocks) return Mapping{Mapping::hole, 0, most};
    const bool tree = (inode.raw->i_flags & EXT4_EXTENTS_FL) != 0;
    Mapping mapping = PITH_TRY(tree ? find_in_tree(volume, inode, logical)
                                    : find_in_map(volume, inode, logical));
    mapping.count = std::min(mapping.count, most);
    if (mapping.count == 0) return Error::io;
    // The journal is looked up before it is known which blocks are the system's, itself among them.
    if (mapping.state != Mapping::hole && !volume.ordinary({mapping.block, mapping.count})) return Error::io;
    return mapping;
}

Result<Mapping> find_last(Volume& volume, const Inode& inode, u64& logical) {
    Node node = PITH_TRY(root_of(inode));
    while (node.depth > 0)
        node = PITH_TRY(child_of(volume, inode, node, node.entries<ext3_extent_idx>()[node.count() - 1]));
    if (node.count() == 0) return Mapping{};
    const ext3_extent& extent = node.entries<ext3_extent>()[node.count() - 1];
    const Mapping mapping = mapping_of(extent);
    if (mapping.count == 0 || !volume.ordinary({mapping.block, mapping.count})) return Error::io;
    logical = extent.ee_block;
    return mapping;
}

Result<> add_extent(Volume& volume, Inode& inode, u64 logical, Blocks blocks, bool unwritten) {
    const Handle handle = PITH_TRY(Handle::open(volume, inode));
    ext2fs_extent before{};
    const bool any = PITH_TRY(go_to(handle, logical, before));
    const bool same = ((before.e_flags & EXT2_EXTENT_FLAGS_UNINIT) != 0) == unwritten;
    PITH_ASSERT(blocks.count <= kMaxUnwritten);
    if (any && same && before.e_lblk + before.e_len == logical &&
        before.e_pblk + before.e_len == blocks.first &&
        before.e_len + blocks.count <= (unwritten ? kMaxUnwritten : kMaxWritten)) {
        before.e_len += static_cast<u32>(blocks.count);
        PITH_EXT2(ext2fs_extent_replace(handle, 0, &before));
    } else {
        ext2fs_extent extent{};
        extent.e_lblk = logical;
        extent.e_pblk = blocks.first;
        extent.e_len = static_cast<u32>(blocks.count);
        extent.e_flags = unwritten ? EXT2_EXTENT_FLAGS_UNINIT : 0;
        PITH_CHECK(insert(handle, extent));
    }
    PITH_EXT2(ext2fs_iblk_add_blocks(volume.fs(), inode.small(), blocks.count));
    return {};
}

namespace {

/// The first `count` blocks of `whole`, an unwritten extent, join the written one before it, if they follow on it.
Result<bool> join_written(const Handle& handle, ext2fs_extent whole, u64 count) {
    ext2fs_extent before{};
    const u64 logical = whole.e_lblk;
    if (logical == 0 || !PITH_TRY(go_to(handle, logical - 1, before)) ||
        (before.e_flags & EXT2_EXTENT_FLAGS_UNINIT) != 0 || before.e_lblk + before.e_len != logical ||
        before.e_pblk + before.e_len != whole.e_pblk || before.e_len + count > kMaxWritten) {
        ext2fs_extent again{};
        PITH_TRY(go_to(handle, logical, again));
        return false;
    }
    PITH_TRY(go_to(handle, logical, whole));
    if (count < whole.e_len) {
        whole.e_lblk += count;
        whole.e_pblk += count;
        whole.e_len -= static_cast<u32>(count);
        PITH_EXT2(ext2fs_extent_replace(handle, 0, &whole));
    } else {
        PITH_EXT2(ext2fs_extent_delete(handle, 0));
    }
    const errcode_t error = ext2fs_extent_fix_parents(handle);
    if (error != EXT2_ET_NO_CURRENT_NODE) PITH_EXT2(error);
    PITH_TRY(go_to(handle, logical - 1, before));
    before.e_len += static_cast<u32>(count);
    PITH_EXT2(ext2fs_extent_replace(handle, 0, &before));
    return true;
}

}  // namespace

Result<> mark_written(Volume& volume, Inode& inode, u64 logical, u64 count) {
    const Handle handle = PITH_TRY(Handle::open(volume, inode));
    ext2fs_extent whole{};
    if (!PITH_TRY(go_to(handle, logical, whole)) || (whole.e_flags & EXT2_EXTENT_FLAGS_UNINIT) == 0 ||
        logical < whole.e_lblk || logical + count > whole.e_lblk + whole.e_len)
        return Error::io;
    const u64 before = logical - whole.e_lblk, after = whole.e_lblk + whole.e_len - logical - count;
    ext2fs_extent part = whole;
    if (before > 0) {
        part.e_len = static_cast<u32>(before);
        PITH_EXT2(ext2fs_extent_replace(handle, 0, &part));
        part = {whole.e_pblk + before, logical, static_cast<u32>(count), 0};
        PITH_CHECK(insert(handle, part));
    } else if (PITH_TRY(join_written(handle, whole, count))) {
        return {};
    } else {
        part.e_len = static_cast<u32>(count);
        part.e_flags &= ~static_cast<u32>(EXT2_EXTENT_FLAGS_UNINIT);
        PITH_EXT2(ext2fs_extent_replace(handle, 0, &part));
    }
    if (after > 0) {
        part = {whole.e_pblk + before + count, logical + count, static_cast<u32>(after),
                EXT2_EXTENT_FLAGS_UNINIT};
        PITH_CHECK(insert(handle, part));
    }
    return {};
}

Result<> free_blocks(Volume& volume, Inode& inode, u64 logical, const Mapping& mapping) {
    {
        const Handle handle = PITH_TRY(Handle::open(volume, inode));
        const u64 count = mapping.count;
        ext2fs_extent whole{};
        if (!PITH_TRY(go_to(handle, logical, whole)) || logical < whole.e_lblk ||
            logical + count > whole.e_lblk + whole.e_len ||
            whole.e_pblk + (logical - whole.e_lblk) != mapping.block)
            return Error::io;
        const u64 before = logical - whole.e_lblk;
        const u64 after = whole.e_len - before - count;
        ext2fs_extent rest = whole;  // what is left behind it
        rest.e_lblk = logical + count;
        rest.e_pblk = mapping.block + count;
        rest.e_len = static_cast<u32>(after);
        if (before > 0) {
            ext2fs_extent part = whole;
            part.e_len = static_cast<u32>(before);
            PITH_EXT2(ext2fs_extent_replace(handle, 0, &part));
            if (after > 0) PITH_CHECK(insert(handle, rest));
        } else {
            if (after > 0) PITH_EXT2(ext2fs_extent_replace(handle, 0, &rest));
            else PITH_EXT2(ext2fs_extent_delete(handle, 0));
            const errcode_t error = ext2fs_extent_fix_parents(handle);
            if (error != EXT2_ET_NO_CURRENT_NODE) PITH_EXT2(error);
        }
    }
    PITH_CHECK(volume.release({mapping.block, mapping.count}));
    PITH_EXT2(ext2fs_iblk_sub_blocks(volume.fs(), inode.small(), mapping.count));
    return {};
}

Result<bool> cut_extents(Volume& volume, Inode& inode, u64 from, usize extents) {
    if ((inode.raw->i_flags & EXT4_EXTENTS_FL) == 0) return Error::unsupported;
    for (;;) {
        u64 logical = 0;
        const Mapping last = PITH_TRY(find_last(volume, inode, logical));
        if (last.count == 0 || logical + last.count <= from) return true;
        if (extents-- == 0) return false;
        const u64 keep = logical >= from ? 0 : from - logical;
        {
            const Handle handle = PITH_TRY(Handle::open(volume, inode));
            ext2fs_extent extent{};
            if (!PITH_TRY(go_to(handle, logical, extent)) || extent.e_lblk != logical ||
                extent.e_pblk != last.block)
                return Error::io;
            if (keep > 0) {
                extent.e_len = static_cast<u32>(keep);
                PITH_EXT2(ext2fs_extent_replace(handle, 0, &extent));
            } else {
                PITH_EXT2(ext2fs_extent_delete(handle, 0));
                const errcode_t error = ext2fs_extent_fix_parents(handle);
                if (error != EXT2_ET_NO_CURRENT_NODE) PITH_EXT2(error);
            }
        }
        PITH_CHECK(volume.release({last.block + keep, last.count - keep}));
        PITH_EXT2(ext2fs_iblk_sub_blocks(volume.fs(), inode.small(), last.count - keep));
    }
}

}  // namespace pith::ext4
