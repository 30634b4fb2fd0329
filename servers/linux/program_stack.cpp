// SPDX-License-Identifier: MIT
#include "servers/linux/program_stack.hpp"

#include <string.h>

#include <algorithm>

#include "servers/linux/cpuid.hpp"
#include "servers/linux/signal_frame.hpp"

namespace pith::lx {

namespace {

enum Aux : u64 {
    kAtNull = 0,
    kAtPhdr = 3,
    kAtPhent = 4,
    kAtPhnum = 5,
    kAtPagesz = 6,
    kAtBase = 7,
    kAtFlags = 8,
    kAtEntry = 9,
    kAtUid = 11,
    kAtEuid = 12,
    kAtGid = 13,
    kAtEgid = 14,
    kAtPlatform = 15,
    kAtHwcap = 16,
    kAtClktck = 17,
    kAtSecure = 23,
    kAtRandom = 25,
    kAtHwcap2 = 26,
    kAtExecfn = 31,
    kAtSysinfoEhdr = 33,
    kAtMinSigStack = 51,
};
constexpr u64 kInitialRoom = 128 << 10;

constexpr u64 kFsGsBase = 2;  ///< AT_HWCAP2: the kernel lets programs use RDFSBASE and its like
constexpr u64 kLegacyState = 512;

/// What the auxiliary vector tells of the processor. It is asked once: in a virtual machine that takes long.
struct Processor {
    u64 features = 0;           ///< AT_HWCAP
    u64 signal_frame_size = 0;  ///< AT_MINSIGSTKSZ
    Processor() {
        const Cpuid basic = cpuid(1);
        features = basic.edx;
        const bool xsave = (basic.ecx >> 27 & 1) != 0;
        const u64 state = xsave ? cpuid(0xd).ebx + sizeof(u32) : kLegacyState;
        // As Linux's get_sigframe_size: the frame, aligned, and the extended state, aligned.
        signal_frame_size = (sizeof(SignalFrame) + 15 + state + 63 + 15) & ~u64{15};
    }
};

const Processor& processor() {
    static const Processor kProcessor;
    return kProcessor;
}

/// Strings and words, built from the top down, copied out once.
class Builder {
  public:
    Builder(u64 top, usize size) : base_(top - size), bytes_(size), position_(size) {}
    u64 push(const void* data, usize size) {
        position_ -= size;
        memcpy(bytes_.data() + position_, data, size);
        return base_ + position_;
    }
    u64 push(const std::string& text) { return push(text.c_str(), text.size() + 1); }
    void push_word(u64 word) { push(&word, sizeof word); }
    void align(usize alignment) { position_ &= ~(alignment - 1); }
    u64 address() const { return base_ + position_; }
    const u8* data() const { return bytes_.data() + position_; }
    usize size() const { return bytes_.size() - position_; }

  private:
    u64 base_;
    std::vector<u8> bytes_;
    usize position_;
};

}  // namespace

SysResult<ProgramStack> build_stack(AddressSpace& memory, const StackRequest& request,
                                    const std::vector<std::string>& arguments,
                                    const std::vector<std::string>& environment) {
    usize strings = request.path.size() + 1;
    for (const auto& text : arguments) strings += text.size() + 1;
    for (const auto& text : environment) strings += text.size() + 1;
    const usize words = arguments.size() + environment.size() + 3 + 2 * 24;
    const usize size = page_ceil(strings + words * 8 + 256);
    if (size > memory.limit_stack) return Errno::E2BIG;

    MapRequest area;
    area.length = std::min(page_ceil(size + kInitialRoom),
                           std::max(page_floor(memory.limit_stack), u64{size}));
    area.address = kUserStackTop - area.length;
    area.fixed = true;
    area.prot = request.executable ? 7 : 3;
    area.grows_down = true;
    area.name = "[stack]";
    PITH_TRY(memory.map(area));
    memory.stack_prot = area.prot;

    ProgramStack stack;
    Builder builder(kUserStackTop, size);
    builder.push_word(0);
    const u64 name = builder.push(request.path);
    stack.environment_end = builder.address();
    std::vector<u64> environment_pointers(environment.size()), argument_pointers(arguments.size());
    for (usize i = environment.size(); i-- > 0;) environment_pointers[i] = builder.push(environment[i]);
    stack.environment_start = builder.address();
    stack.arguments_end = builder.address();
    for (usize i = arguments.size(); i-- > 0;) argument_pointers[i] = builder.push(arguments[i]);
    stack.arguments_start = builder.address();
    const u64 platform = builder.push("x86_64");
    const u64 random = builder.push(request.random, sizeof request.random);
    builder.align(16);

    const Credentials& who = *request.credentials;
    stack.auxv = {kAtSysinfoEhdr, request.vdso,
                  kAtMinSigStack, processor().signal_frame_size,
                  kAtHwcap,       processor().features,
                  kAtPagesz,      kPageSize,
                  kAtClktck,      100,
                  kAtPhdr,        request.program_headers,
                  kAtPhent,       request.header_size,
                  kAtPhnum,       request.header_count,
                  kAtBase,        request.interpreter_base,
                  kAtFlags,       0,
                  kAtEntry,       request.entry,
                  kAtUid,         who.uid,
                  kAtEuid,        who.euid,
                  kAtGid,         who.gid,
                  kAtEgid,        who.egid,
                  kAtSecure,      request.secure ? 1u : 0u,
                  kAtRandom,      random,
                  kAtHwcap2,      kFsGsBase,
                  kAtExecfn,      name,
                  kAtPlatform,    platform,
                  kAtNull,        0};
    const usize total = stack.auxv.size() + environment.size() + arguments.size() + 3;
    if (total % 2 != 0) builder.push_word(0);
    for (usize i = stack.auxv.size(); i-- > 0;) builder.push_word(stack.auxv[i]);
    builder.push_word(0);
    for (usize i = environment.size(); i-- > 0;) builder.push_word(environment_pointers[i]);
    builder.push_word(0);
    for (usize i = arguments.size(); i-- > 0;) builder.push_word(argument_pointers[i]);
    builder.push_word(arguments.size());
    stack.pointer = builder.address();
    PITH_CHECK(copy_out(memory, stack.pointer, builder.data(), builder.size()));
    return stack;
}

}  // namespace pith::lx
