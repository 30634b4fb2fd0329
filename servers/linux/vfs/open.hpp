// SPDX-License-Identifier: MIT
// Opening: from a path and flags to an open file description.
#pragma once

#include "servers/linux/vfs/file.hpp"
#include "servers/linux/vfs/path.hpp"

namespace pith::lx {

/// Everything that open, openat, openat2 and creat do but the descriptor. `flags` have been checked; `mode` is that of
/// the call (umask is applied here); `walk_flags` are further WalkFlags. May give kWalkWaits.
Async<Ref<File>> open_path(Thread& thread, i32 directory, std::string_view path, u32 flags, u32 mode,
                           u32 walk_flags = 0);
/// Opens what was found, permissions checked (`created`: they need not be).
Async<Ref<File>> open_found(Thread& thread, const Path& path, u32 flags, bool created);
/// Makes a file that is no directory: mknod, and bind of a socket. `mode` with its type, before umask. EEXIST. May give kWalkWaits.
Async<Path> create_node(Thread& thread, i32 directory, std::string_view path, u32 mode, u64 device);
/// Owner and permissions of a file that `thread` makes in `directory`; `mode` with its type, before umask.
NewFile new_file(Thread& thread, const Inode& directory, u32 mode, u64 device = 0);

}  // namespace pith::lx
