// SPDX-License-Identifier: MIT
// Which blocks of the disk hold which blocks of a file. Read here (extent trees, and the block maps of ext2 and ext3); extent
// trees are changed by libext2fs.
#pragma once

#include "lib/ext4/volume.hpp"

namespace pith::ext4 {

struct Mapping {
    enum State : u8 {
        hole,
        written,
        unwritten,  ///< allocated, reads as zeros
    } state = hole;
    u64 block = 0;
    u64 count = 0;  ///< blocks of the file; of a hole too
};

/// Block `logical` of the file, and up to `most` blocks in a row with it. Errors: io (a broken tree too).
Result<Mapping> find_blocks(Volume& volume, const Inode& inode, u64 logical, u64 most);

/// The last extent of the file; its count is 0 when there is none. `logical` receives its first block of the file.
Result<Mapping> find_last(Volume& volume, const Inode& inode, u64& logical);

/// Into a hole. The inode has been changed (Volume::edit). Errors: no_space, io.
Result<> add_extent(Volume& volume, Inode& inode, u64 logical, Blocks blocks, bool unwritten);
/// [logical, logical + count), all within one unwritten extent, is written now.
Result<> mark_written(Volume& volume, Inode& inode, u64 logical, u64 count);
/// [logical, logical + mapping.count), which find_blocks has found there and is no hole, becomes one. Errors: no_space (what is left of its
/// extent may need a block of the tree's), io.
Result<> free_blocks(Volume& volume, Inode& inode, u64 logical, const Mapping& mapping);
/// Frees what is mapped from block `from` of the file on, from its end, but changes at most `extents` extents. True: nothing is left.
Result<bool> cut_extents(Volume& volume, Inode& inode, u64 from, usize extents);

}  // namespace pith::ext4
