// SPDX-License-Identifier: MIT
// Pools: limits, exhaustion that is one's own, and destruction of all that was made.
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {

TEST(pool_limits) {
    auto before = MUST(t.pool.pool_info());
    auto child = MUST(t.pool.create_pool(100));
    auto info = MUST(child.pool_info());
    CHECK_EQUAL(info.limit, 100);
    CHECK(MUST(t.pool.pool_info()).used >= before.used + 100);
    CHECK_ERROR(no_memory, t.pool.create_pool(1'000'000));
    CHECK(!t.pool.create_pool(~u64{0}).ok());
    MUST_OK(child.destroy());
    CHECK(MUST(t.pool.pool_info()).used <= before.used + 2);  // a page of objects may stay for the next
}

TEST(pool_exhaustion_is_ones_own) {
    auto one = MUST(t.pool.create_pool(20));
    auto other = MUST(t.pool.create_pool(20));
    Error error = Error::ok;
    u64 made = 0;
    while (error == Error::ok) {
        auto memory = one.create_memory(abi::kPageSize);
        error = memory.error();
        made += memory.ok();
    }
    CHECK_ERROR(no_memory, error);
    CHECK(made >= 5 && made <= 20);
    CHECK_ERROR(no_memory, one.create_space());
    MUST(other.create_memory(abi::kPageSize));
    MUST(other.create_signal());
    MUST_OK(one.destroy());
}

TEST(pool_no_memory_has_no_effect) {
    auto pool = MUST(t.pool.create_pool(16));
    auto before = MUST(pool.pool_info());
    CHECK_ERROR(no_memory, pool.create_memory(64 * abi::kPageSize));
    auto after = MUST(pool.pool_info());
    CHECK_EQUAL(after.objects, before.objects);
    CHECK(after.used <= before.used + 1);
}

TEST(pool_resize) {
    auto pool = MUST(t.pool.create_pool(16));
    CHECK_ERROR(no_memory, pool.create_memory(32 * abi::kPageSize));
    MUST_OK(pool.resize(64));
    auto memory = MUST(pool.create_memory(32 * abi::kPageSize));
    CHECK(!pool.resize(8).ok());
    MUST_OK(memory.destroy());
    MUST_OK(pool.resize(16));
    CHECK_EQUAL(MUST(pool.pool_info()).limit, 16);
    CHECK_ERROR(no_memory, pool.resize(1'000'000));
}

TEST(pool_destroys_all) {
    auto outer = MUST(t.pool.create_pool(400));
    auto inner = MUST(outer.create_pool(200));
    auto signal = MUST(inner.create_signal());
    auto memory = MUST(inner.create_memory(16 * abi::kPageSize));
    auto space = MUST(inner.create_space());
    auto table = MUST(inner.create_captable(64));
    MUST(t.pool.copy_to(table, 1));
    MUST_OK(space.map(0x10000, memory, 0, 16 * abi::kPageSize, abi::kMapRead));
    MUST_OK(outer.destroy());
    CHECK_ERROR(bad_handle, inner.pool_info());
    CHECK_ERROR(bad_handle, signal.notify(1));
    CHECK_ERROR(bad_handle, memory.memory_info());
    CHECK_ERROR(bad_handle, space.space_info());
    MUST(t.pool.pool_info());
}

TEST(pool_rights) {
    auto pool = MUST(t.pool.create_pool(32));
    auto info_only = MUST(pool.copy(rights(abi::PoolRight::info)));
    MUST(info_only.pool_info());
    CHECK_ERROR(no_right, info_only.create_signal());
    CHECK_ERROR(no_right, info_only.create_memory(4096));
    CHECK_ERROR(no_right, info_only.resize(40));
    CHECK_ERROR(no_right, info_only.create_pool(4));
    auto allocate_only = MUST(pool.copy(rights(abi::PoolRight::allocate)));
    CHECK_ERROR(no_right, allocate_only.pool_info());
    MUST(allocate_only.create_signal());
}

TEST(pool_many_objects) {
    auto pool = MUST(t.pool.create_pool(1000));
    for (int i = 0; i < 3000; i++) {
        auto signal = MUST(pool.create_signal());
        static_cast<void>(signal);  // its handle goes; the object stays
    }
    CHECK(MUST(pool.pool_info()).objects >= 3000);
    MUST_OK(pool.destroy());
}

}  // namespace pith::test
