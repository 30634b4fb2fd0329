// SPDX-License-Identifier: MIT
// What a file server can't say: checked by its client, of copies.
#pragma once

#include <span>

#include "abi/error.hpp"
#include "protocol/fs.hpp"

namespace pith {

/// An error that a completion may carry, or ok.
bool fs_error_possible(u32 error);
bool fs_attached_possible(const Fs::Attached& attached);
/// What `request` (lookup, attributes, create, create_link, link) may have found or made.
bool fs_attributes_possible(const Fs::Attributes& attributes, const Fs::Submission& request);
/// Whole entries, with names that can be.
bool fs_entries_possible(std::span<const u8> entries);

}  // namespace pith
