// SPDX-License-Identifier: MIT
// Reports of crashes: a text for each death, in memory that outlives the supervisor; the last kCrashReports are kept. What a report tells
// is read from the dead component before its run Pool goes (System::report_crash). Nothing that it left is believed: it is looked at within
// bounds, and printed.
#pragma once

#include <span>

#include "lib/base/format.hpp"
#include "lib/os/handle.hpp"
#include "lib/os/symbols.hpp"

namespace pith::supervisor {

inline constexpr usize kCrashReports = 16;

struct CrashReport {
    u64 sequence;  ///< 0: none, or one that is being written
    u32 component;
    u32 length;
    char text[4080];
};
static_assert(sizeof(CrashReport) == abi::kPageSize);

inline constexpr u64 kCrashMagic = 0x3130'5348'5243'5450;

/// All zero: never used.
struct CrashRing {
    u64 magic;
    u64 last;  ///< number of the newest; the first one is 1
    u8 reserved[abi::kPageSize - 16];
    CrashReport reports[kCrashReports];
};

/// The reports of now and of predecessors.
class CrashBook {
  public:
    void open(CrashRing& ring);
    /// The place of a new report, to write its text to.
    std::span<char> begin();
    u64 next_sequence() const { return ring_->last + 1; }
    /// It is complete, with so many bytes.
    void finish(u32 component, usize length);
    /// The oldest one with a number of at least `sequence`; nullptr: there is none.
    const CrashReport* find(u64 sequence) const;

  private:
    CrashReport& place(u64 sequence) const { return ring_->reports[sequence % kCrashReports]; }
    CrashRing* ring_ = nullptr;
};

/// What the kernel said of a fault.
struct Fault {
    bool page;    ///< a page fault, with `address` and `access`; else an exception
    u64 address;  ///< or the vector
    u64 access;
    u64 rip;
};

/// A dead component's code, and what is known of it.
struct Code {
    std::string_view component;
    u64 start = 0;              ///< address of `bytes`
    std::span<const u8> bytes;  ///< its executable segment
    Symbols symbols;

    bool contains(u64 address) const { return address - start < bytes.size(); }
    /// Writes "COMPONENT+0xOFFSET FUNCTION+0xOFFSET": offsets from the program's first byte, and from the function's.
    void print_place(TextWriter& out, u64 address) const { print_place(out, address, symbols.find(address)); }
    /// The same of a return address: the call before it may be its function's last instruction.
    void print_return(TextWriter& out, u64 address) const;
    void print_place(TextWriter& out, u64 address, const Symbols::Place& place) const;
    /// The bytes around an address; the one at it in brackets.
    void print_bytes(TextWriter& out, u64 address) const;
};

/// Writes who called whom, from the words of a stack from its top on, a line each. Components have no frame pointers, so each word is taken that
/// points behind a call instruction; those whose call leads elsewhere than to the function above, as what was left by earlier calls often
/// does, are marked.
void print_backtrace(TextWriter& out, const Code& code, u64 rip, std::span<const u64> stack);

}  // namespace pith::supervisor
