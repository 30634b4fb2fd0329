// SPDX-License-Identifier: MIT
// What a process knows of the tree of names: root, working directory, umask. Shared with CLONE_FS; fork copies it.
#pragma once

#include "servers/linux/vfs/dentry.hpp"

namespace pith::lx {

class FsContext : public RefCounted {
  public:
    Path root;
    Path working;
    u32 umask = 022;

    Ref<FsContext> copy() const {
        auto result = Ref<FsContext>::make();
        result->root = root;
        result->working = working;
        result->umask = umask;
        return result;
    }
};

}  // namespace pith::lx
