// SPDX-License-Identifier: MIT
// Where a dead component was. Calls: Intel SDM volume 2, CALL (opcodes E8 and FF /2).
#include "servers/supervisor/crash.hpp"

namespace pith::supervisor {

namespace {

constexpr usize kMostFrames = 20;
constexpr usize kBytesBefore = 12;
constexpr usize kBytesAfter = 20;

struct CallSite {
    enum class Kind : u8 { none, direct, indirect } kind = Kind::none;
    u64 target = 0;  ///< of a direct one
};

/// Bytes of an indirect call with this ModRM byte and what follows it, counted from the FF; 0: it is no call.
usize indirect_length(u8 modrm) {
    if ((modrm >> 3 & 7) != 2) return 0;
    const u8 mode = modrm >> 6, base = modrm & 7;
    if (mode == 3) return 2;
    const usize scaled = base == 4 ? 1 : 0;
    if (mode == 1) return 3 + scaled;
    if (mode == 2 || base == 5) return 6 + scaled;
    return 2 + scaled;
}

/// The call that would return to `address`.
CallSite call_before(const Code& code, u64 address) {
    const usize at = address - code.start;
    const u8* const bytes = code.bytes.data();
    if (at >= 5 && bytes[at - 5] == 0xe8) {
        i32 distance;
        __builtin_memcpy(&distance, bytes + at - 4, sizeof(distance));
        const u64 target = address + static_cast<u64>(i64{distance});
        if (code.contains(target)) return {CallSite::Kind::direct, target};
    }
    for (usize length = 2; length <= 7 && length <= at; length++)
        if (bytes[at - length] == 0xff && indirect_length(bytes[at - length + 1]) == length)
            return {CallSite::Kind::indirect, 0};
    return {};
}

}  // namespace

void Code::print_place(TextWriter& out, u64 address, const Symbols::Place& place) const {
    if (!contains(address)) return format_append(out, "{x}", address);
    format_append(out, "{}+0x{x}", component, address - start);
    if (!place.name.empty()) format_append(out, " {}+0x{x}", place.name, place.offset);
}

void Code::print_return(TextWriter& out, u64 address) const {
    Symbols::Place place = symbols.find(address - 1);
    place.offset++;
    print_place(out, address, place);
}

void Code::print_bytes(TextWriter& out, u64 address) const {
    if (!contains(address)) return out.put("not in its code");
    const usize at = address - start;
    const usize first = at < kBytesBefore ? 0 : at - kBytesBefore;
    for (usize i = first; i < bytes.size() && i < at + kBytesAfter; i++)
        format_append(out, i == at ? "[{02x}] " : "{02x} ", u64{bytes[i]});
}

void print_backtrace(TextWriter& out, const Code& code, u64 rip, std::span<const u64> stack) {
    out.put("  ");
    code.print_place(out, rip);
    out.put('\n');
    u64 callees[kMostFrames];  // functions since the last call that was surely made
    usize callee_count = 0;
    if (code.contains(rip)) callees[callee_count++] = code.symbols.find(rip).start;
    usize frames = 0;
    for (const u64 word : stack) {
        if (frames == kMostFrames) return;
        if (!code.contains(word)) continue;
        const CallSite call = call_before(code, word);
        if (call.kind == CallSite::Kind::none) continue;
        bool sure = false;
        for (usize i = 0; i < callee_count; i++)
            sure = sure || (call.target != 0 && callees[i] == call.target);
        if (sure) callee_count = 0;
        if (callee_count < kMostFrames) callees[callee_count++] = code.symbols.find(word - 1).start;
        out.put(sure ? "  " : call.kind == CallSite::Kind::indirect ? "  * " : "  ? ");
        code.print_return(out, word);
        out.put('\n');
        frames++;
    }
}

}  // namespace pith::supervisor
