// SPDX-License-Identifier: MIT
// What a file server can't say: checked by its client, of copies.
#pragma once

#include <span>

#include "abi/error.hpp"
#include "protocol/fs.hpp"

namespace pith {

// ok, or what is to be made of it: io: what is on the disk may be broken so; protocol: no server may say that.

/// The error of a completion, believed as far as it goes: io for those that mean nothing here. false: there is no such one, or not of a
/// server that is attached.
bool fs_error(u32 said, Error& error);
Error fs_check_attached(const Fs::Attached& attached);
/// What `request` (lookup, attributes, create, create_link, link) may have found or made. Mends times.
Error fs_check_attributes(Fs::Attributes& attributes, const Fs::Submission& request);
/// Whole entries, with names that can be.
Error fs_check_entries(std::span<const u8> entries);

}  // namespace pith
