// SPDX-License-Identifier: MIT
#include "lib/fs/checks.hpp"

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

bool time_possible(const Fs::Time& time) { return time.nanoseconds < 1'000'000'000; }

}  // namespace

bool fs_error_possible(u32 error) {
    switch (static_cast<Error>(error)) {
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
        case Error::io:
        case Error::no_space:
        case Error::exists:
        case Error::access: return true;
        default: return false;  // bad_state too: the client knows whether it is attached
    }
}

bool fs_attached_possible(const Fs::Attached& attached) {
    return attached.root.number != 0 && std::has_single_bit(attached.block_size) &&
           attached.block_size <= 1 << 20 && attached.max_file_size < kMostBytes;
}

bool fs_attributes_possible(const Fs::Attributes& attributes, const Fs::Submission& request) {
    if (attributes.id.number == 0 || !type_possible(attributes.mode) || attributes.size >= kMostBytes ||
        !time_possible(attributes.accessed) || !time_possible(attributes.modified) ||
        !time_possible(attributes.changed) || !time_possible(attributes.created))
        return false;
    const u32 type = attributes.mode & kTypeMask;
    switch (static_cast<Fs::Operation>(request.operation)) {
        case Fs::Operation::attributes:
        case Fs::Operation::link: return attributes.id == request.file;
        case Fs::Operation::create:
        case Fs::Operation::create_link:
            if ((request.flags & Fs::kAnswered) != 0 && attributes.id != request.answer) return false;
            return type == (request.operation == static_cast<u32>(Fs::Operation::create_link)
                                ? kLink
                                : request.mode & kTypeMask);
        default: return true;
    }
}

bool fs_entries_possible(std::span<const u8> entries) {
    while (!entries.empty()) {
        Fs::Entry entry;
        if (entries.size() < sizeof(entry)) return false;
        std::memcpy(&entry, entries.data(), sizeof(entry));
        if (entry.size > entries.size() || entry.size % 8 != 0 || entry.length == 0 ||
            entry.length > Fs::kMaxName || sizeof(entry) + entry.length > entry.size || entry.number == 0 ||
            !type_possible(entry.type))
            return false;
        const u8* const name = entries.data() + sizeof(entry);
        if (std::memchr(name, '/', entry.length) != nullptr || std::memchr(name, 0, entry.length) != nullptr)
            return false;
        entries = entries.subspan(entry.size);
    }
    return true;
}

}  // namespace pith
