// SPDX-License-Identifier: MIT
// libext2fs (e2fsprogs), as the rest of lib/ext4 sees it.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

#include "lib/base/result.hpp"

namespace pith::ext4 {

/// An error of the library's. Whatever it finds broken is `io`.
Error library_error(errcode_t error);

}  // namespace pith::ext4

/// `PITH_EXT2(ext2fs_...(...));`: returns the library's error, if there is one, from the enclosing function.
#define PITH_EXT2(...)                                                     \
    do {                                                                   \
        if (const errcode_t pith_error_ = (__VA_ARGS__); pith_error_ != 0) \
            return ::pith::ext4::library_error(pith_error_);               \
    } while (false)
