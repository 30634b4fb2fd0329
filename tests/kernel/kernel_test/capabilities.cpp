// SPDX-License-Identifier: MIT
// Capabilities: what handles name, how rights shrink, derivation, and that bad ones are refused.
#include "tests/kernel/kernel_test/harness.hpp"

namespace pith::test {
namespace {

Error call_number(u64 rax) {
    u64 a1 = 0, a2 = 0;
    asm volatile("syscall" : "+a"(rax), "+S"(a1), "+d"(a2) : "D"(0) : "rcx", "r11", "r10", "r8", "memory");
    return static_cast<Error>(rax);
}

}  // namespace

TEST(capability_unknown_calls) {
    CHECK_ERROR(ok, call_number(0));
    for (u64 number : {14u, 15u, 99u, 118u, 200u, 255u}) CHECK_ERROR(bad_syscall, call_number(number));
    CHECK_ERROR(ok, invoke(abi::Syscall::null));
}

TEST(capability_root_slots) {
    using abi::ObjectType;
    struct Expectation {
        abi::RootSlot slot;
        ObjectType type;
    };
    for (auto [slot, type] : {Expectation{abi::RootSlot::pool, ObjectType::pool},
                              Expectation{abi::RootSlot::space, ObjectType::space},
                              Expectation{abi::RootSlot::captable, ObjectType::captable},
                              Expectation{abi::RootSlot::thread, ObjectType::thread},
                              Expectation{abi::RootSlot::budget, ObjectType::budget},
                              Expectation{abi::RootSlot::machine, ObjectType::machine},
                              Expectation{abi::RootSlot::bundle, ObjectType::memory},
                              Expectation{abi::RootSlot::info, ObjectType::memory},
                              Expectation{abi::RootSlot::buffer, ObjectType::memory}}) {
        auto info = invoke(abi::Syscall::cap_info, static_cast<abi::HandleIndex>(slot));
        CHECK_ERROR(ok, info);
        CHECK_EQUAL(info.r0, type);
    }
}

TEST(capability_bad_handles) {
    for (abi::HandleIndex handle : {0u, 15u, 5000u, 16383u, 16384u, 0xffffffffu}) {
        CHECK_ERROR(bad_handle, invoke(abi::Syscall::cap_info, handle));
        CHECK_ERROR(bad_handle, invoke(abi::Syscall::signal_notify, handle, 1));
        CHECK_ERROR(bad_handle, invoke(abi::Syscall::object_destroy, handle));
        CHECK_ERROR(bad_handle, invoke(abi::Syscall::cap_copy, handle, 0, 0, abi::kAllRights, 0));
        CHECK_ERROR(bad_handle, invoke(abi::Syscall::cap_delete, handle, 0));
        CHECK_ERROR(bad_handle, invoke(abi::Syscall::cap_revoke, handle));
        CHECK_ERROR(bad_handle, invoke(abi::Syscall::memory_create, handle, 4096, 0));
    }
}

TEST(capability_wrong_types) {
    auto signal = MUST(t.pool.create_signal());
    auto endpoint = MUST(t.pool.create_endpoint());
    CHECK_ERROR(wrong_type, invoke(abi::Syscall::signal_notify, endpoint.index(), 1));
    CHECK_ERROR(wrong_type, invoke(abi::Syscall::signal_wait, t.pool.index(), 1, abi::kPoll));
    CHECK_ERROR(wrong_type, invoke(abi::Syscall::memory_create, signal.index(), 4096, 0));
    CHECK_ERROR(wrong_type, invoke(abi::Syscall::thread_stop, signal.index()));
    CHECK_ERROR(wrong_type, invoke(abi::Syscall::machine_info, signal.index(), 0));
    CHECK_ERROR(wrong_type, invoke(abi::Syscall::adopt, signal.index()));
    Message message;
    CHECK_ERROR(wrong_type, ipc_call(signal.index(), message, abi::kPoll));
    CHECK_ERROR(wrong_type, ipc_recv(signal.index(), message, abi::kPoll));
    CHECK_ERROR(wrong_type, ipc_reply(signal.index(), message));
}

TEST(capability_rights_shrink) {
    auto signal = MUST(t.pool.create_signal());
    auto notify = MUST(signal.copy(rights(abi::SignalRight::notify, abi::kRightCopy)));
    MUST_OK(notify.notify(3));
    CHECK_ERROR(no_right, notify.wait(3, abi::kPoll));
    CHECK_ERROR(no_right, notify.destroy());
    auto again = MUST(signal.copy(rights(abi::SignalRight::notify, abi::kRightCopy)));
    auto child = MUST(again.copy(abi::kAllRights));
    CHECK_EQUAL(MUST(child.info()).rights, rights(abi::SignalRight::notify, abi::kRightCopy));
    auto last = MUST(child.copy(rights(abi::SignalRight::notify)));
    CHECK_ERROR(no_right, last.copy());
    CHECK_EQUAL(MUST(signal.wait(7, abi::kPoll)), 3);
}

TEST(capability_slots) {
    auto signal = MUST(t.pool.create_signal());
    auto slot = MUST(signal.copy_to(own_captable(), 300));
    CHECK_EQUAL(slot, 300);
    CHECK_ERROR(occupied, signal.copy_to(own_captable(), 300));
    CHECK_ERROR(invalid, signal.copy_to(own_captable(), abi::kMaxSlots));
    Handle<Signal> copy(slot);
    MUST_OK(copy.notify(1));
    copy.reset();
    CHECK_ERROR(bad_handle, invoke(abi::Syscall::signal_notify, 300, 1));
}

TEST(capability_tables) {
    auto table = MUST(t.pool.create_captable(64));
    auto signal = MUST(t.pool.create_signal());
    auto slot = MUST(signal.copy_to(table, 5, rights(abi::SignalRight::notify, abi::kRightCopy)));
    CHECK_EQUAL(slot, 5);
    auto taken = MUST(table.take<Signal>(5));
    MUST_OK(taken.notify(1));
    CHECK_ERROR(no_right, taken.wait(1, abi::kPoll));
    CHECK_ERROR(bad_handle, table.take<Signal>(6));
    MUST_OK(table.remove(5));
    CHECK_ERROR(bad_handle, table.remove(5));
    auto insert_only = MUST(table.copy(rights(abi::CapTableRight::insert)));
    MUST(signal.copy_to(insert_only, 7));
    CHECK_ERROR(no_right, insert_only.take<Signal>(7));
    CHECK_ERROR(no_right, insert_only.remove(7));
    MUST_OK(table.destroy());
    MUST_OK(signal.notify(1));
}

TEST(capability_table_full) {
    auto table = MUST(t.pool.create_captable(64));
    auto signal = MUST(t.pool.create_signal());
    u64 filled = 0;
    Error error = Error::ok;
    for (; filled < abi::kMaxSlots + 10; filled++) {
        auto copied = signal.copy_to(table);
        error = copied.error();
        if (!copied.ok()) break;
    }
    CHECK_ERROR(no_slot, error);
    CHECK(filled > abi::kMaxSlots - 64);
    MUST_OK(signal.revoke());
    CHECK_ERROR(no_slot, signal.copy_to(table));  // its slots are stale
    MUST_OK(table.remove(1000));
    CHECK_EQUAL(MUST(signal.copy_to(table)), 1000);
}

TEST(capability_revoke) {
    auto signal = MUST(t.pool.create_signal());
    auto a = MUST(signal.copy());
    auto b = MUST(a.copy());
    auto c = MUST(b.copy());
    auto d = MUST(a.copy());
    MUST_OK(b.revoke());
    CHECK_ERROR(bad_handle, c.notify(1));
    MUST_OK(b.notify(1));
    MUST_OK(a.revoke());
    CHECK_ERROR(bad_handle, b.notify(1));
    CHECK_ERROR(bad_handle, d.notify(1));
    MUST_OK(a.notify(1));
    // Deleting one in the middle leaves what was derived from it under its parent.
    auto e = MUST(a.copy());
    auto f = MUST(e.copy());
    e.reset();
    MUST_OK(f.notify(1));
    MUST_OK(a.revoke());
    CHECK_ERROR(bad_handle, f.notify(1));
}

TEST(capability_long_chain) {
    auto signal = MUST(t.pool.create_signal());
    auto first = MUST(signal.copy());
    static abi::HandleIndex made[2000];
    abi::HandleIndex last = first.index();
    for (auto& slot : made) {
        auto next = invoke(abi::Syscall::cap_copy, last, 0, 0, abi::kAllRights, 0);
        CHECK_ERROR(ok, next);
        slot = last = static_cast<abi::HandleIndex>(next.r0);
    }
    MUST_OK(first.revoke());
    CHECK_ERROR(bad_handle, invoke(abi::Syscall::signal_notify, last, 1));
    for (auto slot : made) CHECK_ERROR(ok, invoke(abi::Syscall::cap_delete, slot));
}

TEST(capability_badges) {
    auto endpoint = MUST(t.pool.create_endpoint());
    auto minted = MUST(
        endpoint.mint(77, rights(abi::EndpointRight::send, abi::EndpointRight::mint, abi::kRightCopy)));
    CHECK_EQUAL(MUST(minted.info()).badge, 77);
    CHECK(!minted.mint(78, abi::kAllRights).ok());
    auto copy = MUST(minted.copy());
    CHECK_EQUAL(MUST(copy.info()).badge, 77);
    auto sender = MUST(endpoint.copy(rights(abi::EndpointRight::send, abi::kRightCopy)));
    CHECK_ERROR(no_right, sender.mint(5, abi::kAllRights));
    auto signal = MUST(t.pool.create_signal());
    CHECK_ERROR(wrong_type, invoke(abi::Syscall::cap_copy, signal.index(), 0, 0, abi::kAllRights, 5));
}

TEST(capability_destroyed_object) {
    auto signal = MUST(t.pool.create_signal());
    auto copy = MUST(signal.copy());
    auto table = MUST(t.pool.create_captable(16));
    MUST(signal.copy_to(table, 3));
    MUST_OK(signal.destroy());
    CHECK_ERROR(bad_handle, copy.notify(1));
    CHECK_ERROR(bad_handle, table.take<Signal>(3));
}

TEST(capability_stale_slots) {
    auto signal = MUST(t.pool.create_signal());
    auto other = MUST(t.pool.create_signal());
    auto copy = MUST(signal.copy());
    const abi::HandleIndex destroyed = signal.index(), stale = copy.index();
    MUST_OK(signal.destroy());
    // The destroyed one's handle is free; the other is its owner's until he deletes it.
    CHECK_ERROR(bad_handle, invoke(abi::Syscall::cap_delete, destroyed));
    CHECK_ERROR(bad_handle, copy.info());
    CHECK_ERROR(occupied, other.copy_to(own_captable(), stale));
    auto next = MUST(t.pool.create_signal());
    CHECK(next.index() != stale);
    // A new capability comes before the old handle goes: it stays.
    copy = MUST(other.copy());
    MUST_OK(copy.notify(1));
    CHECK(copy.index() != stale);
    CHECK_ERROR(bad_handle, invoke(abi::Syscall::cap_delete, stale));
    auto derived = MUST(copy.copy());
    MUST_OK(other.revoke());
    CHECK_ERROR(bad_handle, derived.notify(1));
    CHECK_ERROR(occupied, other.copy_to(own_captable(), derived.index()));
    CHECK_ERROR(ok, invoke(abi::Syscall::cap_delete, derived.index()));
    CHECK_ERROR(bad_handle, invoke(abi::Syscall::cap_delete, derived.release()));
}

}  // namespace pith::test
