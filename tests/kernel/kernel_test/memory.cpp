// SPDX-License-Identifier: MIT
// Memory and Space: what can be mapped, with which rights, and what a page fault then sees.
#include <cstring>

#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

constexpr u64 kPage = abi::kPageSize;
constexpr u32 kReadWrite = abi::kMapRead | abi::kMapWrite;

volatile u64& word_at(u64 address) { return *reinterpret_cast<volatile u64*>(address); }

struct Touch {
    u64 address;
    bool write;
    volatile u64 done;
    volatile u64 value = 0;
};

void touch(void* argument) {
    auto& request = *static_cast<Touch*>(argument);
    if (request.write) word_at(request.address) = 1;
    else request.value = word_at(request.address);
    request.done = 1;
}

/// Whether a thread that touches the address survives.
bool can_touch(Context& t, u64 address, bool write) {
    Touch request{address, write, 0};
    Worker worker = start_worker(t, touch, &request);
    record(t, wait_for_state(worker.thread, abi::ThreadState::dead), "a worker ends", __LINE__);
    return request.done != 0;
}

}  // namespace

TEST(memory_create) {
    CHECK_ERROR(invalid, t.pool.create_memory(0));
    CHECK(!t.pool.create_memory(~u64{0}).ok());
    CHECK(!t.pool.create_memory(u64{1} << 50).ok());
    auto memory = MUST(t.pool.create_memory(5 * kPage));
    CHECK_EQUAL(MUST(memory.memory_info()).size, 5 * kPage);
    CHECK_EQUAL(MUST(memory.memory_info()).mapped_pages, 0);
    auto contiguous = MUST(t.pool.create_memory(16 * kPage, abi::kMemoryContiguous));
    CHECK_EQUAL(MUST(contiguous.memory_info()).size, 16 * kPage);
    CHECK(map_somewhere(contiguous, 16 * kPage) != 0);
}

TEST(memory_is_zero) {
    for (int round = 0; round < 4; round++) {
        auto memory = MUST(t.pool.create_memory(32 * kPage));
        u64 address = map_somewhere(memory, 32 * kPage);
        CHECK(address != 0);
        for (u64 at = 0; at < 32 * kPage; at += 8) CHECK_EQUAL(word_at(address + at), 0);
        std::memset(reinterpret_cast<void*>(address), 0xa5, 32 * kPage);
        MUST_OK(memory.destroy());
    }
}

TEST(memory_map_and_unmap) {
    auto memory = MUST(t.pool.create_memory(8 * kPage));
    u64 address = map_somewhere(memory, 8 * kPage);
    CHECK(address != 0);
    word_at(address + 3 * kPage) = 42;
    CHECK_EQUAL(MUST(memory.memory_info()).mapped_pages, 8);
    u64 second = take_addresses(kPage);
    MUST_OK(own_space().map(second, memory, 3 * kPage, kPage, abi::kMapRead));
    CHECK_EQUAL(word_at(second), 42);
    CHECK(can_touch(t, second, false));
    CHECK(!can_touch(t, second, true));
    MUST_OK(own_space().unmap(address, 8 * kPage));
    CHECK(!can_touch(t, address, false));
    CHECK_EQUAL(MUST(memory.memory_info()).mapped_pages, 1);
    MUST_OK(own_space().unmap(address, 8 * kPage));  // nothing there: no error
    MUST_OK(own_space().unmap(second, kPage));
}

TEST(memory_map_errors) {
    auto memory = MUST(t.pool.create_memory(4 * kPage));
    u64 address = take_addresses(16 * kPage);
    auto map = [&](u64 at, u64 offset, u64 length, u32 flags) {
        return own_space().map(at, memory, offset, length, flags);
    };
    CHECK_ERROR(invalid, map(address + 8, 0, kPage, abi::kMapRead));
    CHECK_ERROR(invalid, map(address, 8, kPage, abi::kMapRead));
    CHECK_ERROR(invalid, map(address, 0, 100, abi::kMapRead));
    CHECK_ERROR(invalid, map(address, 0, 5 * kPage, abi::kMapRead));
    CHECK_ERROR(invalid, map(address, ~u64{0} & ~(kPage - 1), 2 * kPage, abi::kMapRead));
    CHECK_ERROR(invalid, map(abi::kUserTop, 0, kPage, abi::kMapRead));
    CHECK_ERROR(invalid, map(abi::kUserTop - kPage, 0, 2 * kPage, abi::kMapRead));
    CHECK_ERROR(invalid, map(0xffff'8000'0000'0000, 0, kPage, abi::kMapRead));
    CHECK_ERROR(invalid, map(~u64{0} & ~(kPage - 1), 0, kPage, abi::kMapRead));
    CHECK_ERROR(write_execute, map(address, 0, kPage, kReadWrite | abi::kMapExecute));
    MUST_OK(map(abi::kUserTop - kPage, 0, kPage, abi::kMapRead));
    MUST_OK(own_space().unmap(abi::kUserTop - kPage, kPage));
    MUST_OK(map(address, 0, kPage, kReadWrite));
    CHECK_ERROR(occupied, map(address, kPage, kPage, kReadWrite));
    word_at(address) = 5;
    MUST_OK(map(address, kPage, kPage, kReadWrite | abi::kMapReplace));
    CHECK_EQUAL(word_at(address), 0);
    CHECK_ERROR(invalid, invoke(abi::Syscall::space_map, own_space().index(), abi::kMaxMapRanges + 1));
    CHECK_ERROR(invalid, own_space().unmap(address + 1, kPage));
    CHECK_ERROR(invalid, own_space().unmap(0xffff'8000'0000'0000, kPage));
    CHECK_ERROR(invalid, own_space().protect(address, kPage + 1, abi::kMapRead));
    MUST_OK(own_space().unmap(address, kPage));
}

TEST(memory_rights_bound_mappings) {
    auto memory = MUST(t.pool.create_memory(kPage));
    auto read_only = MUST(memory.copy(rights(abi::MemoryRight::read)));
    u64 address = take_addresses(kPage);
    CHECK_ERROR(no_right, own_space().map(address, read_only, 0, kPage, kReadWrite));
    MUST_OK(own_space().map(address, read_only, 0, kPage, abi::kMapRead));
    CHECK(!own_space().protect(address, kPage, kReadWrite).ok());
    CHECK(!can_touch(t, address, true));
    MUST_OK(own_space().protect(address, kPage, 0));
    CHECK(!can_touch(t, address, false));
    MUST_OK(own_space().protect(address, kPage, abi::kMapRead));
    CHECK(can_touch(t, address, false));
    auto no_map = MUST(own_space().copy(rights(abi::SpaceRight::info)));
    CHECK_ERROR(no_right, no_map.unmap(address, kPage));
    MUST_OK(own_space().unmap(address, kPage));
}

TEST(memory_protect) {
    auto memory = MUST(t.pool.create_memory(4 * kPage));
    u64 address = map_somewhere(memory, 4 * kPage);
    CHECK(address != 0);
    MUST_OK(own_space().protect(address + kPage, 2 * kPage, abi::kMapRead));
    CHECK(can_touch(t, address, true));
    CHECK(!can_touch(t, address + kPage, true));
    CHECK(!can_touch(t, address + 2 * kPage, true));
    CHECK(can_touch(t, address + 3 * kPage, true));
    CHECK_ERROR(write_execute, own_space().protect(address, kPage, kReadWrite | abi::kMapExecute));
    MUST_OK(own_space().protect(address, 4 * kPage, kReadWrite));
    CHECK(can_touch(t, address + kPage, true));
}

TEST(memory_jit_space) {
    auto memory = MUST(t.pool.create_memory(kPage));
    auto plain = MUST(t.pool.create_space());
    auto jit = MUST(t.pool.create_space(true));
    CHECK_ERROR(write_execute, plain.map(0x10000, memory, 0, kPage, kReadWrite | abi::kMapExecute));
    MUST_OK(jit.map(0x10000, memory, 0, kPage, kReadWrite | abi::kMapExecute));
}

TEST(memory_never_executable_by_mistake) {
    auto memory = MUST(t.pool.create_memory(kPage));
    u64 address = map_somewhere(memory, kPage);
    *reinterpret_cast<volatile u16*>(address) = 0x0b0f;  // ud2
    auto endpoint = MUST(t.pool.create_endpoint());
    Worker worker = start_worker(t, reinterpret_cast<WorkerFunction>(address), nullptr,
                                 {.handler = endpoint.index()});
    Message message;
    MUST_OK(ipc_recv(endpoint.index(), message, in_milliseconds(20000)));
    CHECK(message.tag.from_kernel());
    CHECK_EQUAL(message.tag.operation(), abi::Event::page_fault);
    CHECK_EQUAL(message.words[0], address);
    CHECK_EQUAL(message.words[1] & static_cast<u64>(abi::FaultAccess::execute),
                static_cast<u64>(abi::FaultAccess::execute));
}

TEST(memory_destroyed_is_unmapped) {
    auto memory = MUST(t.pool.create_memory(600 * kPage));
    u64 address = map_somewhere(memory, 600 * kPage);
    auto space = MUST(t.pool.create_space());
    MUST_OK(space.map(0x40000000, memory, 0, 600 * kPage, abi::kMapRead));
    word_at(address + 599 * kPage) = 1;
    MUST_OK(memory.destroy());
    CHECK_EQUAL(MUST(space.space_info()).mapped_pages, 0);
    CHECK(!can_touch(t, address, false));
    CHECK(!can_touch(t, address + 599 * kPage, false));
}

TEST(memory_share) {
    auto memory = MUST(t.pool.create_memory(8 * kPage));
    u64 address = map_somewhere(memory, 8 * kPage);
    word_at(address + 2 * kPage) = 9;
    auto space = MUST(t.pool.create_space());
    MUST_OK(space.share(own_space(), address, 8 * kPage, abi::kMapRead, abi::kMapRead));
    CHECK_EQUAL(MUST(space.space_info()).mapped_pages, 8);
    CHECK(!can_touch(t, address, true));  // both sides lost the right to write
    MUST_OK(own_space().protect(address, 8 * kPage, kReadWrite));
    CHECK(can_touch(t, address, true));
    CHECK_ERROR(invalid, space.share(own_space(), address + 1, kPage, abi::kMapRead, abi::kMapRead));
    MUST_OK(space.destroy());
    CHECK_EQUAL(MUST(memory.memory_info()).mapped_pages, 8);
}

TEST(memory_dirty_bits) {
    auto memory = MUST(t.pool.create_memory(100 * kPage));
    u64 address = map_somewhere(memory, 100 * kPage);
    MUST_OK(own_space().dirty(address, 100));
    word_at(address + 3 * kPage) = 1;
    word_at(address + 70 * kPage) = 1;
    [[maybe_unused]] u64 read_only = word_at(address + 5 * kPage);
    MUST_OK(own_space().dirty(address, 100));
    CHECK_EQUAL(this_buffer().words[0], u64{1} << 3);
    CHECK_EQUAL(this_buffer().words[1], u64{1} << 6);
    word_at(address + 3 * kPage) = 2;
    MUST_OK(own_space().dirty(address, 100));
    CHECK_EQUAL(this_buffer().words[0], u64{1} << 3);
    CHECK_EQUAL(this_buffer().words[1], 0);
    CHECK_ERROR(invalid, own_space().dirty(address, 4097));
}

TEST(memory_partial_map_reports) {
    auto pool = MUST(t.pool.create_pool(64));
    auto space = MUST(pool.create_space());
    auto memory = MUST(t.pool.create_memory(2 * kPage));
    abi::MapRange ranges[] = {{0x100000, memory.index(), abi::kMapRead, 0, kPage},
                              {0x100000, memory.index(), abi::kMapRead, 0, kPage}};
    auto* buffer = reinterpret_cast<abi::MapRange*>(this_buffer().words);
    buffer[0] = ranges[0];
    buffer[1] = ranges[1];
    auto result = invoke(abi::Syscall::space_map, space.index(), 2);
    CHECK_ERROR(occupied, result);
    CHECK_EQUAL(result.r0, kPage);
    CHECK_EQUAL(MUST(space.space_info()).mapped_pages, 1);
    MUST_OK(space.unmap(0x100000, kPage));
}

TEST(memory_tables_are_charged) {
    auto pool = MUST(t.pool.create_pool(12));
    auto space = MUST(pool.create_space());
    auto memory = MUST(t.pool.create_memory(kPage));
    Error error = Error::ok;
    u64 mapped = 0;
    for (u64 at = u64{1} << 39; error == Error::ok && mapped < 100; at += u64{1} << 39) {
        error = space.map(at, memory, 0, kPage, abi::kMapRead).error();
        mapped += error == Error::ok;
    }
    CHECK_ERROR(no_memory, error);
    CHECK_EQUAL(MUST(space.space_info()).mapped_pages, mapped);
    MUST_OK(space.destroy());
}

}  // namespace pith::test
