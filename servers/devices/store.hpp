// SPDX-License-Identifier: MIT
// What was handed out, and outlives this server: objects in its keep Pool, capabilities to them in its kept CapTable, and
// a record of each in preserved Memory. An object whose maker dies before it is recorded stays in the Pool, unused.
#pragma once

#include <atomic>

#include "lib/os/handle.hpp"
#include "servers/devices/state.hpp"

namespace pith::devices {

class Store {
  public:
    explicit Store(Handle<CapTable> table) : table_(std::move(table)) {}

    /// Before anything else. Undoes what a predecessor had begun.
    void begin(State& state) {
        state_ = &state;
        for (Kept& kept : state.kept)
            if (kept.kind == KeptKind::making) forget(kept);
    }
    /// nullptr: there is none.
    Kept* find(KeptKind kind, u32 owner, u32 place, u64 a) {
        for (Kept& kept : state_->kept)
            if (kept.kind == kind && kept.owner == owner && kept.place == place && kept.a == a) return &kept;
        return nullptr;
    }
    /// A capability of ours to its object. not_found: the object isn't what the record says.
    template <typename T>
    Result<Handle<T>> take(const Kept& kept) {
        Handle<T> handle = PITH_TRY(table_.template take<T>(slot(kept)));
        const CapabilityInfo info = PITH_TRY(handle.info());
        if (info.type != detail::kTypeOf<T>) return Error::not_found;
        return handle;
    }
    /// Records an object. no_slot: the function, or all together, have as many as can be.
    template <typename T>
    Result<> keep(const Handle<T>& object, const Kept& record) {
        u32 others = 0;
        for (const Kept& kept : state_->kept)
            if (kept.kind != KeptKind::none && kept.place == record.place) others++;
        if (others >= kMaxKeptOfFunction) return Error::no_slot;
        for (Kept& kept : state_->kept) {
            if (kept.kind != KeptKind::none) continue;
            set_kind(kept, KeptKind::making);
            static_cast<void>(table_.remove(slot(kept)));
            if (auto copied = object.copy_to(table_, slot(kept)); !copied.ok()) {
                set_kind(kept, KeptKind::none);
                return copied.error();
            }
            kept.owner = record.owner;
            kept.place = record.place;
            kept.a = record.a;
            kept.size = record.size;
            kept.address = record.address;
            kept.data = record.data;
            set_kind(kept, record.kind);
            return {};
        }
        return Error::no_slot;
    }
    void forget(Kept& kept) {
        static_cast<void>(table_.remove(slot(kept)));
        set_kind(kept, KeptKind::none);
    }
    /// Each of a kind. `visit` may have it forgotten.
    template <typename Visit>
    void each(KeptKind kind, const Visit& visit) {
        for (Kept& kept : state_->kept)
            if (kept.kind == kind) visit(kept);
    }
    /// Memory for DMA of the component's is at that physical address.
    bool holds(u32 owner, u64 address) const {
        for (const Kept& kept : state_->kept)
            if (kept.kind == KeptKind::dma && kept.owner == owner && address >= kept.address &&
                address - kept.address < kept.size)
                return true;
        return false;
    }
    /// Bytes of memory for DMA that a component has.
    u64 dma_size(u32 owner) const {
        u64 sum = 0;
        for (const Kept& kept : state_->kept)
            if (kept.kind == KeptKind::dma && kept.owner == owner) sum += kept.size;
        return sum;
    }

  private:
    abi::HandleIndex slot(const Kept& kept) const {
        return static_cast<abi::HandleIndex>(&kept - state_->kept) + 1;
    }
    static void set_kind(Kept& kept, KeptKind kind) {
        std::atomic_ref(kept.kind).store(kind, std::memory_order_release);
    }
    State* state_ = nullptr;
    Handle<CapTable> table_;
};

}  // namespace pith::devices
