// SPDX-License-Identifier: MIT
#include "servers/chaos/gadget.hpp"

#include <cstring>

#include "lib/os/start_info.hpp"
#include "protocol/process.hpp"

namespace pith::chaos {

Gadget& Gadget::put64(u64 value) {
    std::memcpy(bytes_ + size_, &value, sizeof(value));
    size_ += sizeof(value);
    return *this;
}

/// A message call without a deadline.
Gadget& Gadget::syscall(abi::Syscall call, abi::HandleIndex handle, abi::Tag tag) {
    put(0x48, 0xb8).put64(u64{static_cast<u8>(call)} | u64{handle} << 32);  // mov $, %rax
    put(0x48, 0xbf).put64(tag.bits());                                      // mov $, %rdi
    put(0x31, 0xf6);                                                        // xor %esi, %esi
    return put(0x0f, 0x05);
}

Gadget Gadget::of(Fault fault, const Slots& slots, Random& random) {
    Gadget g;
    switch (fault) {
        case Fault::exit:
            g.put(0x48, 0xba).put64(1);  // mov $1, %rdx: the status
            return g.syscall(abi::Syscall::call, slots.supervisor, abi::Tag(Lifecycle::Exit::kOpcode, 0))
                .undefined();
        case Fault::null:
            return g.put(0x31, 0xc0, 0x48, 0x8b, 0x00).undefined();  // xor %eax, %eax; mov (%rax), %rax
        case Fault::wild:
            g.put(0x48, 0xb8).put64(random.next() & (abi::kUserTop - 1));
            return g.put(0x48, 0x89, 0x00).undefined();  // mov %rax, (%rax)
        case Fault::execute:
            g.put(0x48, 0xb8).put64(kFirstBuffer + random.below(1024));
            return g.put(0xff, 0xe0);                        // jmp *%rax
        case Fault::loop: return g.put(0xf3, 0x90).again();  // pause
        case Fault::deadlock:                                // it calls itself
            return g.syscall(abi::Syscall::call, slots.endpoint, abi::Tag(1, 0)).again();
        case Fault::stack: return g.put(0x50).again();  // push %rax
        case Fault::wrong_replies:
            g.put(0x48, 0xba).put64(random.next());  // mov $, %rdx, %r10, %r8: what is answered
            g.put(0x49, 0xba).put64(random.next());
            g.put(0x49, 0xb8).put64(random.next());
            return g.syscall(abi::Syscall::reply_recv, slots.endpoint, abi::Tag(0, 0)).again();
        case Fault::no_replies: return g.syscall(abi::Syscall::recv, slots.endpoint, abi::Tag(0, 0)).again();
        default: return g;
    }
}

}  // namespace pith::chaos
