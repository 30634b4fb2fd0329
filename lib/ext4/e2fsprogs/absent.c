/* SPDX-License-Identifier: MIT */
/* What the parts of libext2fs that are used refer to in parts that are not: for features which are refused at the mount, and for
 * what lib/ext4 does itself. */
#include "config.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

const struct ext2fs_nls_table* ext2fs_load_nls_table(int encoding) { return 0; }

errcode_t ext2fs_inline_data_ea_remove(ext2_filsys fs, ext2_ino_t ino) { return EXT2_ET_OP_NOT_SUPPORTED; }

errcode_t ext2fs_get_num_dirs(ext2_filsys fs, ext2_ino_t* ret_num_dirs) { return EXT2_ET_OP_NOT_SUPPORTED; }

errcode_t ext2fs_zero_blocks2(ext2_filsys fs, blk64_t blk, int num, blk64_t* ret_blk, int* ret_count) {
    return fs ? io_channel_zeroout(fs->io, blk, num) : 0; /* without: frees what it would have kept */
}

int ext2fs_is_fast_symlink(struct ext2_inode* inode) {
    return LINUX_S_ISLNK(inode->i_mode) && !(inode->i_flags & EXT4_EXTENTS_FL) &&
           EXT2_I_SIZE(inode) < sizeof(inode->i_block);
}

/* Blocks are of at most 4096 bytes: lengths of records are what they say. */
errcode_t ext2fs_get_rec_len(ext2_filsys fs, struct ext2_dir_entry* dirent, unsigned int* rec_len) {
    *rec_len = dirent->rec_len;
    return 0;
}

errcode_t ext2fs_set_rec_len(ext2_filsys fs, unsigned int len, struct ext2_dir_entry* dirent) {
    dirent->rec_len = len;
    return 0;
}
