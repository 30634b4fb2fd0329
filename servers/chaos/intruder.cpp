// SPDX-License-Identifier: MIT
#include "servers/chaos/intruder.hpp"

#include <algorithm>
#include <cstring>

#include "lib/os/clock.hpp"
#include "lib/os/start_info.hpp"

namespace pith::chaos {

namespace {

using abi::kPageSize;

// Where it lives in its host: between heap and mappings, where nobody has anything (lib/os/start_info.hpp).
constexpr u64 kPlace = 0x3f00'0000;
constexpr u64 kOrder = 2 * kPageSize;  // of the Memory: from, to, length; then the bytes
constexpr u64 kBytes = kOrder + 64;
constexpr u64 kSize = kBytes + Intruder::kMost + kPageSize - 64;
constexpr abi::Time kPatience = kSecond;
constexpr u64 kUndefined = 6;  // the exception of ud2: it is done

constexpr u8 kCode[] = {
    0x48, 0x8b, 0x37,        // mov (%rdi), %rsi
    0x48, 0x8b, 0x4f, 0x10,  // mov 16(%rdi), %rcx
    0x48, 0x8b, 0x7f, 0x08,  // mov 8(%rdi), %rdi
    0xfc,                    // cld
    0xf3, 0xa4,              // rep movsb
    0x0f, 0x0b,              // ud2
};

}  // namespace

Result<Intruder> Intruder::enter(const Handle<Space>& space) {
    Intruder intruder(space);
    intruder.memory_ = PITH_TRY(MappedMemory::create(own_pool(), kSize));
    std::memcpy(intruder.memory_.as<u8>(), kCode, sizeof(kCode));
    intruder.ends_ = PITH_TRY(own_pool().create_endpoint());
    const auto& memory = intruder.memory_.memory();
    PITH_CHECK(space.map(kPlace, memory, 0, kPageSize, abi::kMapRead | abi::kMapExecute));
    intruder.mapped_ = true;
    PITH_CHECK(space.map(kPlace + kOrder, memory, kOrder, kSize - kOrder, abi::kMapRead | abi::kMapWrite));
    return intruder;
}

Intruder::~Intruder() {
    if (ends_.valid()) static_cast<void>(ends_.destroy());
    // Its host may be gone: then so is the mapping.
    if (memory_.size() != 0 && mapped_) static_cast<void>(space_->unmap(kPlace, kSize));
}

Result<> Intruder::copy(u64 from, u64 to, u64 length) {
    u64* order = memory_.as<u64>(kOrder);
    order[0] = from;
    order[1] = to;
    order[2] = length;
    abi::ThreadCreate arguments{};
    arguments.space = space_->index();
    arguments.captable = own_captable().index();
    arguments.handler = ends_.index();
    arguments.buffer = memory_.memory().index();
    arguments.buffer_offset = kPageSize;
    arguments.budget = own_budget().index();
    const auto own = PITH_TRY(own_thread().thread_info());
    arguments.priority = own.priority;
    arguments.kind = abi::ThreadKind::native;
    arguments.cpu = own.cpu;
    Handle<Thread> thread = PITH_TRY(own_pool().create_thread(arguments));
    Message end;
    Error error = thread.start(kPlace, 0, kPlace + kOrder).error();
    if (error == Error::ok) error = ipc_recv(ends_.index(), end, now() + kPatience);
    static_cast<void>(thread.destroy());
    if (error != Error::ok) return error;
    const bool done = end.tag.operation() == static_cast<u16>(abi::Event::exception) &&
                      end.words[0] == kUndefined;
    return done ? Result<>() : Result<>(Error::access);
}

Result<> Intruder::read(u64 address, std::span<u8> out) {
    if (out.size() > kMost) return Error::invalid;
    PITH_CHECK(copy(address, kPlace + kBytes, out.size()));
    std::memcpy(out.data(), memory_.as<u8>(kBytes), out.size());
    return {};
}

Result<> Intruder::write(u64 address, std::span<const u8> bytes) {
    if (bytes.size() > kMost) return Error::invalid;
    std::memcpy(memory_.as<u8>(kBytes), bytes.data(), bytes.size());
    return copy(kPlace + kBytes, address, bytes.size());
}

Result<> Intruder::patch(u64 address, std::span<const u8> bytes, std::vector<Owned<Memory>>& keep) {
    const u64 first = address & ~(kPageSize - 1);
    const u64 length = (address + bytes.size() - first + kPageSize - 1) & ~(kPageSize - 1);
    if (length > kMost) return Error::invalid;
    Owned<Memory> changed = PITH_TRY(own_pool().create_memory(length));
    {
        const Mapping mapping = PITH_TRY(Mapping::create(changed, 0, length));
        PITH_CHECK(read(first, mapping.bytes()));
        std::memcpy(mapping.as<u8>(address - first), bytes.data(), bytes.size());
    }
    PITH_CHECK(space_->map(first, changed, 0, length, abi::kMapRead | abi::kMapExecute | abi::kMapReplace));
    keep.push_back(std::move(changed));
    return {};
}

}  // namespace pith::chaos
