// SPDX-License-Identifier: MIT
// Files in memory: the protocol of file systems (protocol/fs.hpp) under a name of its own, so that a component can have a disk's file server and this
// one. Provided by servers/fs/memory; its client is that of Fs, over Client<Fs>::from_start("memory_fs").
//
// What is other than with a disk: there is one mount, whose Attach says disk 0 and no sectors; a change is committed as soon as it has been answered,
// and lasts as long as the machine runs (kNotDurable).
#pragma once

#include "protocol/fs.hpp"

namespace pith {

struct MemoryFs : Fs {
    static constexpr const char* kName = "memory_fs";
};

}  // namespace pith
