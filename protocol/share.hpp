// SPDX-License-Identifier: MIT
// A folder of the host's, shared with it: the protocol of file systems (protocol/fs.hpp) under a name of its own, so that a component
// can have a disk's file server and this one. Provided by servers/fs/virtio_9p; its client is that of Fs, over Client<Fs>::from_start("share").
//
// What is other than with a disk: others change the files too, so what a client remembers of them has to be looked at again now and then; times
// of what a change touches are the host's, not the Submission's (but those that set_attributes sets); `allocate` is unsupported; `access` is also
// what the host refuses; a file that the host has removed, or that the server was told of too long ago, is bad_handle: it has to be looked up again.
#pragma once

#include "protocol/fs.hpp"

namespace pith {

struct Share : Fs {
    static constexpr const char* kName = "share";
};

}  // namespace pith
