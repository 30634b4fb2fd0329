// SPDX-License-Identifier: MIT
#include "lib/fs/checks.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace pith {

namespace {

constexpr u32 kTypeMask = 0170000;
constexpr u32 kLink = 0120000;
constexpr u64 kMostBytes = u64{1} << 63;

bool type_possible(u32 mode) {
    switch (mode & kTypeMask) {
        case 0010000:
        case 0020000:
        case 0040000:
        case 0060000:
        case 0100000:
        case kLink:
        case 0140000: return true;
        default: return false;
    }
}

void mend(Fs::Time& time) { time.nanoseconds = std::min(time.nanoseconds, 999'999'999u); }

}  // namespace

bool fs_error(u32 said, Error& error) {
    error = static_cast<Error>(said);
    switch (error) {
        case Error::ok:
        case Error::bad_handle:
        case Error::wrong_type:
        case Error::invalid:
        case Error::no_memory:
        case Error::no_slot:
        case Error::occupied:
        case Error::not_found:
        case Error::busy:
        case Error::unsupported:
        case Error::no_space:
        case Error::exists:
        case Error::access: return true;
        case Error::bad_state: return false;
        default: error = Error::io; return said < static_cast<u32>(Error::count);
    }
}

Error fs_check_attached(const Fs::Attached& attached) {
    const bool possible = attached.root.number != 0 && std::has_single_bit(attached.block_size) &&
                          attached.block_size <= 1 << 20 && attached.max_file_size < kMostBytes;
    return possible ? Error::ok : Error::protocol;
}

Error fs_check_attributes(Fs::Attributes& attributes, const Fs::Submission& request) {
    mend(attributes.accessed);
    mend(attributes.modified);
    mend(attributes.changed);
    mend(attributes.created);
    if (attributes.id.number == 0) return Error::protocol;
    const u32 type = attributes.mode & kTypeMask;
    bool same = true;
    switch (static_cast<Fs::Operation>(request.operation)) {
        case Fs::Operation::attributes:
        case Fs::Operation::link: same = attributes.id == request.file; break;
        case Fs::Operation::create:
        case Fs::Operation::create_unnamed:
            same = type == (request.mode & kTypeMask) &&
                   ((request.flags & Fs::kAnswered) == 0 || attributes.id == request.answer);
            break;
        case Fs::Operation::create_link:
            same = type == kLink && ((request.flags & Fs::kAnswered) == 0 || attributes.id == request.answer);
            break;
        default: break;
    }
    if (!same) return Error::protocol;
    return type_possible(attributes.mode) && attributes.size < kMostBytes ? Error::ok : Error::io;
}

Error fs_check_entries(std::span<const u8> entries) {
    Error error = Error::ok;
    while (!entries.empty()) {
        Fs::Entry entry;
        if (entries.size() < sizeof(entry)) return Error::protocol;
        std::memcpy(&entry, entries.data(), sizeof(entry));
        if (entry.size > entries.size() || entry.size % 8 != 0 || entry.length > Fs::kMaxName ||
            sizeof(entry) + entry.length > entry.size)
            return Error::protocol;
        const u8* const name = entries.data() + sizeof(entry);
        // A disk need not say what type it is.
        if (entry.length == 0 || entry.number == 0 || (entry.type != 0 && !type_possible(entry.type)) ||
            std::memchr(name, '/', entry.length) != nullptr || std::memchr(name, 0, entry.length) != nullptr)
            error = Error::io;
        entries = entries.subspan(entry.size);
    }
    return error;
}

}  // namespace pith
