// SPDX-License-Identifier: MIT
// Memory and Spaces: mapping, unmapping, protection, sharing, W^X, dirty bits, destruction while mapped, TLBs of other CPUs.
#include "tests/host/kernel/fixture.hpp"

#include "arch/paging.hpp"

namespace pith::test {
namespace {

constexpr u64 kBase = 0x1'0000'0000;
constexpr u32 kRw = abi::kMapRead | abi::kMapWrite;
constexpr auto kOwnSpace = static_cast<HandleIndex>(abi::RootSlot::space);

class MemoryTest : public KernelTest {
  protected:
    void SetUp() override {
        KernelTest::SetUp();
        // The tables of the addresses that the tests use in root's Space stay there.
        HandleIndex m = memory(1);
        map(kOwnSpace, m, kBase, 1, kRw);
        ok(Syscall::object_destroy, m);
        before = Sim::counts();
        before.objects[static_cast<usize>(abi::ObjectType::pool)]--;
        before.capabilities--;
        before.slots--;
    }
    /// The address as root's CPU sees it.
    bool translate(u64 address, arch::fake::Translation& found) {
        auto& m = arch::fake::machine();
        m.current_index = 0;
        m.here().tlb.clear();
        return m.translate(address, found);
    }
    u32 rights_at(u64 address) {
        arch::fake::Translation found{};
        return translate(address, found) ? found.rights : 0;
    }
    Answer unmap(u64 address, u64 pages, HandleIndex space = kOwnSpace) {
        return root(Syscall::space_unmap, space, {address, pages * kPage});
    }
};

TEST_F(MemoryTest, MapsZeroedFrames) {
    HandleIndex m = memory(3);
    EXPECT_EQ(map(kOwnSpace, m, kBase, 2, kRw, kPage).r0, 2 * kPage);
    for (u64 page = 0; page < 2; page++) {
        arch::fake::Translation found{};
        ASSERT_TRUE(translate(kBase + page * kPage, found));
        auto* bytes = static_cast<const char*>(arch::fake::machine().at(found.physical));
        EXPECT_TRUE(std::all_of(bytes, bytes + kPage, [](char c) { return c == 0; }));
    }
    EXPECT_EQ(rights_at(kBase + 2 * kPage), 0u);
    ok(Syscall::memory_info, m);
    EXPECT_EQ(get<abi::MemoryInfo>(sim.root()).mapped_pages, 2u);
    EXPECT_EQ(get<abi::MemoryInfo>(sim.root()).size, 3 * kPage);
    EXPECT_EQ(unmap(kBase, 2).error, Error::ok);
    EXPECT_EQ(rights_at(kBase), 0u);
}

TEST_F(MemoryTest, Errors) {
    HandleIndex m = memory(4);
    HandleIndex read_only = copy(m, static_cast<u64>(abi::MemoryRight::read));
    EXPECT_EQ(map(kOwnSpace, m, kBase + 1, 1, kRw).error, Error::invalid);
    EXPECT_EQ(map(kOwnSpace, m, kBase, 0, kRw).error, Error::invalid);
    EXPECT_EQ(map(kOwnSpace, m, kBase, 5, kRw).error, Error::invalid);
    EXPECT_EQ(map(kOwnSpace, m, kBase, 1, kRw, 4 * kPage).error, Error::invalid);
    EXPECT_EQ(map(kOwnSpace, m, kBase, 1, kRw, ~u64{0xfff}).error, Error::invalid);
    EXPECT_EQ(map(kOwnSpace, m, abi::kUserTop, 1, kRw).error, Error::invalid);
    EXPECT_EQ(map(kOwnSpace, m, abi::kUserTop - kPage, 2, kRw).error, Error::invalid);
    EXPECT_EQ(map(kOwnSpace, m, kBase, 1, 0x80 | kRw).error, Error::invalid);
    EXPECT_EQ(map(kOwnSpace, read_only, kBase, 1, kRw).error, Error::no_right);
    EXPECT_EQ(map(kOwnSpace, m, kBase, 1, kRw | abi::kMapExecute).error, Error::write_execute);
    EXPECT_EQ(map(kOwnSpace, endpoint(), kBase, 1, kRw).error, Error::wrong_type);
    EXPECT_EQ(root(Syscall::space_map, kOwnSpace, {0}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::space_map, kOwnSpace, {17}).error, Error::invalid);
    EXPECT_EQ(map(copy(kOwnSpace, 2), m, kBase, 1, kRw).error, Error::no_right);
    EXPECT_EQ(unmap(kBase + 8, 1).error, Error::invalid);
    EXPECT_EQ(root(Syscall::space_unmap, kOwnSpace, {kBase, 0}).error, Error::invalid);
    EXPECT_EQ(rights_at(kBase), 0u);
    ok(Syscall::memory_info, m);
    EXPECT_EQ(get<abi::MemoryInfo>(sim.root()).mapped_pages, 0u);
}

TEST_F(MemoryTest, OccupiedEndsIt) {
    HandleIndex a = memory(8), b = memory(8);
    EXPECT_EQ(map(kOwnSpace, a, kBase + 5 * kPage, 1, kRw).error, Error::ok);
    Answer refused = map(kOwnSpace, b, kBase, 8, abi::kMapRead);
    EXPECT_EQ(refused.error, Error::occupied);
    EXPECT_EQ(refused.r0, 5 * kPage);  // so far it came
    for (u64 page = 0; page < 8; page++)
        EXPECT_EQ(rights_at(kBase + page * kPage), page == 5 ? kRw : page < 5 ? abi::kMapRead : 0u);
    EXPECT_EQ(map(kOwnSpace, b, kBase, 8, abi::kMapRead | abi::kMapReplace).error, Error::ok);
    for (u64 page = 0; page < 8; page++) EXPECT_EQ(rights_at(kBase + page * kPage), abi::kMapRead);
    ok(Syscall::memory_info, a);
    EXPECT_EQ(get<abi::MemoryInfo>(sim.root()).mapped_pages, 0u);
}

TEST_F(MemoryTest, SeveralRangesUpToAnError) {
    HandleIndex m = memory(2);
    put(abi::MapRange{kBase, m, kRw, 0, kPage}, 0);
    put(abi::MapRange{kBase + 2 * kPage, m, abi::kMapRead, kPage, kPage}, 1);
    put(abi::MapRange{kBase + 2 * kPage, m, kRw, 0, kPage}, 2);
    Answer answer = root(Syscall::space_map, kOwnSpace, {3});
    EXPECT_EQ(answer.error, Error::occupied);
    EXPECT_EQ(answer.r0, 2 * kPage);
    EXPECT_EQ(rights_at(kBase), kRw);
    EXPECT_EQ(rights_at(kBase + 2 * kPage), abi::kMapRead);
}

TEST_F(MemoryTest, ProtectWithinTheCapabilitysRights) {
    HandleIndex m = memory(4);
    HandleIndex read_only = copy(m, static_cast<u64>(abi::MemoryRight::read));
    EXPECT_EQ(map(kOwnSpace, m, kBase, 2, abi::kMapRead).error, Error::ok);
    EXPECT_EQ(root(Syscall::space_protect, kOwnSpace, {kBase, 10 * kPage, kRw}).error, Error::ok);
    EXPECT_EQ(rights_at(kBase), kRw);
    EXPECT_EQ(root(Syscall::space_protect, kOwnSpace, {kBase, kPage, 0}).error, Error::ok);
    EXPECT_EQ(rights_at(kBase), 0u);
    EXPECT_EQ(rights_at(kBase + kPage), kRw);
    EXPECT_EQ(root(Syscall::space_protect, kOwnSpace, {kBase, kPage, kRw | abi::kMapExecute}).error,
              Error::write_execute);
    EXPECT_EQ(root(Syscall::space_protect, kOwnSpace, {kBase, kPage, 8}).error, Error::invalid);
    EXPECT_EQ(map(kOwnSpace, read_only, kBase + 4 * kPage, 1, abi::kMapRead).error, Error::ok);
    EXPECT_EQ(root(Syscall::space_protect, kOwnSpace, {kBase + 4 * kPage, kPage, kRw}).error,
              Error::no_right);
    EXPECT_EQ(rights_at(kBase + 4 * kPage) & abi::kMapWrite, 0u);
}

TEST_F(MemoryTest, JitSpacesMayWriteAndExecute) {
    auto jit = make(Syscall::space_create, {1}), plain = make(Syscall::space_create, {0});
    HandleIndex m = memory(1);
    EXPECT_EQ(map(jit, m, kBase, 1, kRw | abi::kMapExecute).error, Error::ok);
    EXPECT_EQ(map(plain, m, kBase, 1, kRw | abi::kMapExecute).error, Error::write_execute);
    put(abi::ShareRange{jit, 7, kBase, kPage, 7, 0});
    EXPECT_NE(root(Syscall::space_share, plain).error, Error::ok);
    EXPECT_EQ(root(Syscall::space_create, arena, {2}).error, Error::invalid);
}

TEST_F(MemoryTest, Share) {
    auto child = make(Syscall::space_create);
    HandleIndex m = memory(6);
    EXPECT_EQ(map(kOwnSpace, m, kBase, 3, kRw).error, Error::ok);
    EXPECT_EQ(map(kOwnSpace, m, kBase + 4 * kPage, 2, abi::kMapRead, 4 * kPage).error, Error::ok);
    put(abi::ShareRange{kOwnSpace, abi::kMapRead, kBase, 6 * kPage, abi::kMapRead | abi::kMapExecute, 0});
    EXPECT_EQ(root(Syscall::space_share, child).error, Error::ok);
    EXPECT_EQ(rights_at(kBase), abi::kMapRead);
    ok(Syscall::space_info, child);
    EXPECT_EQ(get<abi::SpaceInfo>(sim.root()).mapped_pages, 5u);
    EXPECT_EQ(get<abi::SpaceInfo>(sim.root()).attachments, 1u);
    ok(Syscall::memory_info, m);
    EXPECT_EQ(get<abi::MemoryInfo>(sim.root()).mapped_pages, 10u);
    put(abi::ShareRange{kOwnSpace, 7, kBase, kPage, 7, 0});
    EXPECT_EQ(root(Syscall::space_share, copy(child, 2)).error, Error::no_right);
    ok(Syscall::object_destroy, child);
    ok(Syscall::memory_info, m);
    EXPECT_EQ(get<abi::MemoryInfo>(sim.root()).mapped_pages, 5u);
}

TEST_F(MemoryTest, DestroyedMemoryIsUnmappedEverywhere) {
    HandleIndex m = memory(300), other = memory(2);
    std::vector<HandleIndex> spaces;
    for (int i = 0; i < 5; i++) {
        spaces.push_back(make(Syscall::space_create));
        EXPECT_EQ(map(spaces.back(), m, kBase + static_cast<u64>(i) * 0x4000'0000, 300, kRw).error,
                  Error::ok);
        EXPECT_EQ(map(spaces.back(), m, 0x7000'0000'0000, 1, kRw, 7 * kPage).error, Error::ok);
        EXPECT_EQ(map(spaces.back(), other, 0x10000, 2, kRw).error, Error::ok);
    }
    ok(Syscall::object_destroy, m);
    for (HandleIndex space : spaces) {
        ok(Syscall::space_info, space);
        EXPECT_EQ(get<abi::SpaceInfo>(sim.root()).mapped_pages, 2u);
        EXPECT_EQ(get<abi::SpaceInfo>(sim.root()).attachments, 1u);
    }
}

TEST_F(MemoryTest, OtherCpusForget) {
    Actor other = actor({.cpu = 2});
    HandleIndex m = memory(40);
    EXPECT_EQ(map(kOwnSpace, m, kBase, 40, kRw).error, Error::ok);
    ASSERT_TRUE(runs(other));
    sim.fill_tlbs();
    EXPECT_EQ(root(Syscall::space_protect, kOwnSpace, {kBase, kPage, abi::kMapRead}).error, Error::ok);
    EXPECT_EQ(sim.check(), "");
    sim.fill_tlbs();
    EXPECT_EQ(unmap(kBase + kPage, 1).error, Error::ok);
    EXPECT_EQ(sim.check(), "");
    sim.fill_tlbs();
    EXPECT_EQ(unmap(kBase, 30).error, Error::ok);
    EXPECT_EQ(sim.check(), "");
    sim.fill_tlbs();
    EXPECT_EQ(map(kOwnSpace, memory(10), kBase + 30 * kPage, 10, abi::kMapRead | abi::kMapReplace).error,
              Error::ok);
    EXPECT_EQ(sim.check(), "");
    sim.fill_tlbs();
    ok(Syscall::object_destroy, m);
    EXPECT_EQ(sim.check(), "");
}

TEST_F(MemoryTest, DirtyBits) {
    HandleIndex m = memory(70);
    EXPECT_EQ(map(kOwnSpace, m, kBase, 70, kRw).error, Error::ok);
    u64 tables = arch::fake::machine().cpus[0].root;
    for (u64 page : {0u, 3u, 64u, 69u}) arch::walk(tables, kBase + page * kPage)->write_access();
    ok(Syscall::space_dirty, kOwnSpace, {kBase, 70});
    auto* bits = sim.root().buffer->words;
    EXPECT_EQ(bits[0], u64{9});
    EXPECT_EQ(bits[1] & 0x3f, u64{1 | 1 << 5});
    ok(Syscall::space_dirty, kOwnSpace, {kBase, 70});
    EXPECT_EQ(bits[0] | (bits[1] & 0x3f), 0u);
    EXPECT_EQ(root(Syscall::space_dirty, kOwnSpace, {kBase, 4097}).error, Error::invalid);
}

TEST_F(MemoryTest, TablesComeFromTheSpacesPool) {
    HandleIndex small = pool(8);
    auto space = static_cast<HandleIndex>(ok(Syscall::space_create, small));
    HandleIndex m = memory(4);
    Error error = Error::ok;
    u64 mapped = 0;
    for (; error == Error::ok; mapped++) error = map(space, m, (mapped + 1) << 30, 1, kRw).error;
    EXPECT_EQ(error, Error::no_memory);
    EXPECT_GE(mapped, 2u);
    auto counts = Sim::counts();
    EXPECT_EQ(map(space, m, u64{1} << 40, 4, kRw).error, Error::no_memory);
    EXPECT_EQ(Sim::counts().mappings, counts.mappings);
    ok(Syscall::object_destroy, space);
    ok(Syscall::pool_info, small);
    EXPECT_EQ(get<abi::PoolInfo>(sim.root()).used, 0u);
}

TEST_F(MemoryTest, Contiguous) {
    auto m = make(Syscall::memory_create, {16 * kPage, abi::kMemoryContiguous});
    EXPECT_EQ(map(kOwnSpace, m, kBase, 16, kRw).error, Error::ok);
    arch::fake::Translation first{}, found{};
    ASSERT_TRUE(translate(kBase, first));
    for (u64 page = 1; page < 16; page++) {
        ASSERT_TRUE(translate(kBase + page * kPage, found));
        EXPECT_EQ(found.physical, first.physical + page * kPage);
    }
}

TEST_F(MemoryTest, BufferOfAThreadGoes) {
    Actor a = actor();
    ok(Syscall::thread_stop, a.handle);
    EXPECT_FALSE(runs(a));
    ok(Syscall::thread_continue, a.handle);
    EXPECT_TRUE(runs(a));
    HandleIndex buffer = memory(1);
    Actor user = actor({.cpu = 3, .priority = 5, .buffer = buffer});
    ASSERT_TRUE(runs(user));
    ok(Syscall::object_destroy, buffer);
    EXPECT_EQ(sim.current(3), nullptr);
}

}  // namespace
}  // namespace pith::test
