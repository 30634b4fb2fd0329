// SPDX-License-Identifier: MIT
// Capabilities: look-up errors, rights that only shrink, badges, the derivation tree, CapTables (I5).
#include "tests/host/kernel/fixture.hpp"

namespace pith::test {
namespace {

using CapabilityTest = KernelTest;

TEST_F(CapabilityTest, WrongHandles) {
    HandleIndex e = endpoint();
    EXPECT_EQ(root(Syscall::cap_info, 0).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_info, 9999).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_info, ~0u).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::signal_notify, e, {1}).error, Error::wrong_type);
    EXPECT_EQ(root(Syscall::recv, copy(e, 1), {0, abi::kPoll}).error, Error::no_right);
    EXPECT_EQ(root(static_cast<Syscall>(200)).error, Error::bad_syscall);
    EXPECT_EQ(root(static_cast<Syscall>(255)).error, Error::bad_syscall);
}

TEST_F(CapabilityTest, Info) {
    HandleIndex e = endpoint();
    HandleIndex badged = copy(e, 0x21, 77);
    Answer info = root(Syscall::cap_info, badged);
    EXPECT_EQ(info.r0, static_cast<u64>(abi::ObjectType::endpoint));
    EXPECT_EQ(info.r1, 0x21u);
    EXPECT_EQ(info.r2, 77u);
}

TEST_F(CapabilityTest, RightsOnlyShrink) {
    HandleIndex e = endpoint();
    HandleIndex some = copy(e, abi::kRightCopy | 1);
    HandleIndex more = copy(some);
    EXPECT_EQ(root(Syscall::cap_info, more).r1, u64{abi::kRightCopy | 1});
    HandleIndex none = copy(some, 1);
    EXPECT_EQ(root(Syscall::cap_copy, none, {0, 0, 1, 0}).error, Error::no_right);
}

TEST_F(CapabilityTest, BadgesAreGivenOnceAndByMinters) {
    HandleIndex e = endpoint();
    HandleIndex badged = copy(e, abi::kAllRights, 5);
    EXPECT_EQ(root(Syscall::cap_copy, badged, {0, 0, abi::kAllRights, 6}).error, Error::invalid);
    EXPECT_EQ(root(Syscall::cap_info, copy(badged)).r2, 5u);
    HandleIndex plain = copy(e, abi::kAllRights & ~static_cast<u64>(abi::EndpointRight::mint));
    EXPECT_EQ(root(Syscall::cap_copy, plain, {0, 0, abi::kAllRights, 6}).error, Error::no_right);
    EXPECT_EQ(root(Syscall::cap_copy, signal(), {0, 0, abi::kAllRights, 6}).error, Error::wrong_type);
}

TEST_F(CapabilityTest, NamedSlots) {
    HandleIndex e = endpoint();
    EXPECT_EQ(ok(Syscall::cap_copy, e, {0, 300, abi::kAllRights, 0}), 300u);
    EXPECT_EQ(root(Syscall::cap_copy, e, {0, 300, abi::kAllRights, 0}).error, Error::occupied);
    EXPECT_EQ(root(Syscall::cap_copy, e, {0, abi::kMaxSlots, abi::kAllRights, 0}).error, Error::invalid);
    ok(Syscall::cap_delete, 300);
    EXPECT_EQ(root(Syscall::cap_delete, 300).error, Error::bad_handle);
    EXPECT_EQ(ok(Syscall::cap_copy, e, {0, 300, abi::kAllRights, 0}), 300u);
}

TEST_F(CapabilityTest, DeleteMovesChildrenUp) {
    HandleIndex a = endpoint(), b = copy(a), c = copy(b), d = copy(c);
    ok(Syscall::cap_delete, b);
    EXPECT_EQ(root(Syscall::cap_info, c).error, Error::ok);
    ok(Syscall::cap_revoke, a);
    EXPECT_EQ(root(Syscall::cap_info, c).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_info, d).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_info, a).error, Error::ok);
}

TEST_F(CapabilityTest, RevokeTakesAWholeTree) {
    HandleIndex top = endpoint();
    HandleIndex other = copy(top);
    std::vector<HandleIndex> all{top};
    for (int i = 0; i < 300; i++) all.push_back(copy(all[static_cast<usize>(i * 7 / 10)]));
    HandleIndex middle = all[1];
    ok(Syscall::cap_revoke, middle);
    EXPECT_EQ(root(Syscall::cap_info, middle).error, Error::ok);
    EXPECT_EQ(root(Syscall::cap_info, other).error, Error::ok);
    ok(Syscall::cap_revoke, top);
    for (usize i = 1; i < all.size(); i++)
        EXPECT_EQ(root(Syscall::cap_info, all[i]).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_info, other).error, Error::bad_handle);
}

TEST_F(CapabilityTest, DestructionLeavesStaleSlots) {
    HandleIndex table = make(Syscall::captable_create, {0}), other = endpoint();
    HandleIndex s = signal(), held = copy(s);
    ok(Syscall::cap_copy, s, {table, 12, abi::kAllRights, 0});
    const u64 slots = Sim::counts().slots;
    ok(Syscall::object_destroy, s);
    EXPECT_EQ(Sim::counts().slots, slots - 1);  // its own handle is consumed
    EXPECT_EQ(root(Syscall::signal_notify, held, {1}).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_info, held).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_copy, other, {0, held, 1, 0}).error, Error::occupied);
    EXPECT_EQ(root(Syscall::cap_copy, other, {table, 12, 1, 0}).error, Error::occupied);
    ok(Syscall::cap_copy, other, {table, 13, abi::kAllRights, 0});
    EXPECT_EQ(root(Syscall::cap_take, table, {13, held}).error, Error::occupied);
    EXPECT_EQ(signal(), s);
    EXPECT_NE(signal(), held);
    ok(Syscall::cap_delete, held);
    EXPECT_EQ(root(Syscall::cap_delete, held).error, Error::bad_handle);
    EXPECT_EQ(signal(), held);
    ok(Syscall::cap_delete, 12, {table});
    EXPECT_EQ(root(Syscall::cap_delete, 12, {table}).error, Error::bad_handle);
    ok(Syscall::cap_copy, other, {table, 12, abi::kAllRights, 0});
}

TEST_F(CapabilityTest, RevocationLeavesStaleSlots) {
    HandleIndex e = endpoint(), a = copy(e), b = copy(a);
    const u64 slots = Sim::counts().slots;
    ok(Syscall::cap_revoke, e);
    EXPECT_EQ(Sim::counts().slots, slots);
    HandleIndex next = endpoint();
    EXPECT_TRUE(next != a && next != b);
    ok(Syscall::cap_delete, a);
    ok(Syscall::cap_delete, b);
    EXPECT_EQ(Sim::counts().slots, slots - 1);
    EXPECT_EQ(root(Syscall::cap_delete, a).error, Error::bad_handle);
}

TEST_F(CapabilityTest, OtherTables) {
    HandleIndex table = make(Syscall::captable_create, {0});
    HandleIndex e = endpoint();
    u64 slot = ok(Syscall::cap_copy, e, {table, 12, 1 | abi::kRightCopy, 9});
    EXPECT_EQ(slot, 12u);
    HandleIndex weak = copy(table, abi::kRightCopy);
    EXPECT_EQ(root(Syscall::cap_copy, e, {weak, 13, 1, 0}).error, Error::no_right);
    EXPECT_EQ(root(Syscall::cap_take, weak, {12, 0}).error, Error::no_right);
    EXPECT_EQ(root(Syscall::cap_take, table, {13, 0}).error, Error::bad_handle);
    auto mine = static_cast<HandleIndex>(ok(Syscall::cap_take, table, {12, 0}));
    Answer info = root(Syscall::cap_info, mine);
    EXPECT_EQ(info.r1, u64{1 | abi::kRightCopy});
    EXPECT_EQ(info.r2, 9u);
    EXPECT_EQ(root(Syscall::cap_delete, 12, {weak}).error, Error::no_right);
    ok(Syscall::cap_delete, 12, {table});
    EXPECT_EQ(root(Syscall::cap_delete, 12, {table}).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_info, mine).error, Error::ok);
    ok(Syscall::cap_revoke, e);
    EXPECT_EQ(root(Syscall::cap_info, mine).error, Error::bad_handle);
}

TEST_F(CapabilityTest, DestroyedTableEmptiesItsSlots) {
    HandleIndex table = make(Syscall::captable_create, {100});
    HandleIndex e = endpoint();
    u64 capabilities = Sim::counts().capabilities;
    for (u64 i = 1; i < 200; i++) ok(Syscall::cap_copy, e, {table, i, abi::kAllRights, 0});
    EXPECT_EQ(Sim::counts().capabilities, capabilities + 199);
    ok(Syscall::object_destroy, table);
    EXPECT_EQ(Sim::counts().capabilities, capabilities - 1);
    EXPECT_EQ(root(Syscall::cap_info, e).error, Error::ok);
}

TEST_F(CapabilityTest, TablesGrowFromTheirOwnPool) {
    HandleIndex small = pool(6);
    auto table = static_cast<HandleIndex>(ok(Syscall::captable_create, small, {1}));
    HandleIndex e = endpoint();
    u64 copies = 0;
    Error error = Error::ok;
    while ((error = root(Syscall::cap_copy, e, {table, 0, 1, 0}).error) == Error::ok) copies++;
    EXPECT_TRUE(error == Error::no_memory || error == Error::no_slot);
    EXPECT_GE(copies, 100u);
    EXPECT_LT(copies, 6 * 64u);
    ok(Syscall::object_destroy, small);
    EXPECT_EQ(root(Syscall::cap_info, table).error, Error::bad_handle);
}

TEST_F(CapabilityTest, DeepTreesAreRevokedInSteps) {
    const u64 capabilities = Sim::counts().capabilities;
    HandleIndex e = endpoint(), deepest = e, middle = e;
    for (u32 i = 0; i < 500; i++) {
        // Each has a second child, so that no level is raised as a whole.
        if (i % 3 == 0) ok(Syscall::cap_copy, deepest, {0, 0, abi::kAllRights, 0});
        deepest = static_cast<HandleIndex>(ok(Syscall::cap_copy, deepest, {0, 0, abi::kAllRights, 0}));
        if (i == 100) middle = deepest;
    }
    ok(Syscall::cap_revoke, middle);
    EXPECT_EQ(Sim::counts().capabilities, capabilities + 1 + 101 + 34);
    EXPECT_EQ(root(Syscall::cap_info, deepest).error, Error::bad_handle);
    EXPECT_EQ(root(Syscall::cap_info, middle).error, Error::ok);
    ok(Syscall::cap_revoke, e);
    EXPECT_EQ(Sim::counts().capabilities, capabilities + 1);
    ok(Syscall::object_destroy, e);
    EXPECT_EQ(Sim::counts().capabilities, capabilities);
}

TEST_F(CapabilityTest, FullTable) {
    HandleIndex table = make(Syscall::captable_create, {abi::kMaxSlots});
    HandleIndex e = endpoint();
    u64 copies = 0;
    Error error = Error::ok;
    while ((error = root(Syscall::cap_copy, e, {table, 0, 1, 0}).error) == Error::ok) copies++;
    EXPECT_EQ(error, Error::no_slot);
    EXPECT_EQ(copies, u64{abi::kMaxSlots - 1});
}

}  // namespace
}  // namespace pith::test
