// SPDX-License-Identifier: MIT
// The io_manager of libext2fs over a BlockCache: what the library writes becomes part of the running transaction.
#pragma once

#include "lib/ext4/cache.hpp"
#include "lib/ext4/library.hpp"

namespace pith::ext4 {

/// Stays where it is, and lives longer than the file system that it opened.
class CacheManager {
  public:
    explicit CacheManager(BlockCache& cache);
    CacheManager(const CacheManager&) = delete;
    CacheManager& operator=(const CacheManager&) = delete;
    /// Calls ext2fs_open2. `flags`: EXT2_FLAG_*.
    errcode_t open_file_system(int flags, ext2_filsys* file_system);

  private:
    static errcode_t open(const char* name, int flags, io_channel* channel);

    static CacheManager* opening;  ///< for the open that is under way: `open` is told nothing else
    struct_io_manager manager_{};
    BlockCache& cache_;
};

}  // namespace pith::ext4
