// SPDX-License-Identifier: MIT
// Live update: another executable on the same Endpoint. Until the new one has answered its first heartbeat the preserved state is kept as it
// was before; until its trial is over, so is the old executable. docs/recovery.md: updates.
#include <algorithm>
#include <cstring>

#include "lib/os/elf_loader.hpp"
#include "servers/supervisor/system.hpp"

namespace pith::supervisor {

namespace {

constexpr u64 kLargestImage = u64{16} << 20;
constexpr u64 kLargestSnapshot = u64{4} << 20;  // more would keep its clients waiting
constexpr u64 kSparePages = 24;  // of the system Pool, for the objects that restarts make in it
constexpr abi::Time kTrial = kSecond;

u64 pages_of(u64 bytes) { return (bytes + abi::kPageSize - 1) / abi::kPageSize; }

}  // namespace

/// The component that has what no other takes; count(): there is none.
u32 System::rest_taker() const {
    for (u32 i = 0; i < count(); i++)
        if ((component(i).grants & static_cast<u32>(CompositionGrant::pool_rest)) != 0) return i;
    return count();
}

/// Pages of the system Pool that nobody has or is to have: those of components that are down are theirs.
Result<u64> System::free_pages() const {
    const auto info = PITH_TRY(system_pool_.pool_info());
    u64 free = info.limit - info.used;
    for (u32 i = 0; i < count(); i++)
        if (record(i).run == abi::kNoHandle) free -= std::min(free, record(i).run_pages);
    return free;
}

/// Has that many pages, and the spare ones, free in the system Pool: what is missing is taken from who has the rest.
Result<> System::make_room(u64 pages) {
    const u64 free = PITH_TRY(free_pages());
    const u64 wanted = pages + kSparePages;
    if (free >= wanted) return {};
    const u32 taker = rest_taker();
    if (taker == count()) return Error::no_memory;
    ComponentRecord& r = records_->components[taker];
    const u64 less = wanted - free;
    if (r.run_pages < u64{component(taker).memory_pages} + less) return Error::no_memory;
    if (r.run != abi::kNoHandle && !Borrowed<Pool>(r.run).resize(r.run_pages - less).ok())
        return Error::no_memory;
    r.run_pages -= less;
    return {};
}

/// The opposite: what is free beyond the spare pages.
void System::give_room_back() {
    const u32 taker = rest_taker();
    auto free = free_pages();
    if (taker == count() || !free.ok() || *free <= kSparePages) return;
    ComponentRecord& r = records_->components[taker];
    const u64 pages = r.run_pages + *free - kSparePages;
    if (r.run != abi::kNoHandle && !Borrowed<Pool>(r.run).resize(pages).ok()) return;
    r.run_pages = pages;
}

/// A copy of the file that nobody else can change, checked.
Result<Handle<Memory>> System::copy_image(const Handle<Memory>& file, u64 size) {
    if (size == 0 || size > kLargestImage) return Error::protocol;
    const u64 bytes = pages_of(size) * abi::kPageSize;
    PITH_CHECK(make_room(pages_of(size)));
    Owned<Memory> copy = PITH_TRY(system_pool_.create_memory(bytes));
    const Mapping to = PITH_TRY(Mapping::create(copy, 0, bytes));
    const Mapping from = PITH_TRY(Mapping::create(file, 0, bytes, abi::kMapRead));
    std::memcpy(to.as<void>(), from.as<void>(), size);
    const auto image = PITH_TRY(ComponentImage::parse({to.as<const u8>(), size}));
    bool starts_in_code = false;
    for (usize i = 0; i < image.segment_count; i++) {
        const auto& segment = image.segments[i];
        starts_in_code = starts_in_code || ((segment.flags & abi::kMapExecute) != 0 &&
                                            image.entry - segment.address < segment.file_size);
    }
    if (!starts_in_code) return Error::protocol;
    return copy.keep();
}

/// What the preserved Memory holds now. not_found: there is none, or it is too large to be copied in passing.
Result<Handle<Memory>> System::copy_preserved(u32 number) const {
    const u64 bytes = u64{component(number).preserved_pages} * abi::kPageSize;
    if (bytes == 0 || bytes > kLargestSnapshot) return Error::not_found;
    Owned<Memory> copy = PITH_TRY(system_pool_.create_memory(bytes));
    const Mapping to = PITH_TRY(Mapping::create(copy, 0, bytes));
    const Mapping from = PITH_TRY(
        Mapping::create(Borrowed<Memory>(record(number).preserved), 0, bytes, abi::kMapRead));
    std::memcpy(to.as<void>(), from.as<void>(), bytes);
    return copy.keep();
}

Result<> System::update(u32 number, const Handle<Memory>& file, u64 size) {
    ComponentRecord& r = records_->components[number];
    if (r.update == UpdateState::trial) return Error::busy;
    if (r.state == ComponentState::ending) return Error::bad_state;
    // Until it is in the record, a successor of ours destroys what is made here.
    auto copied = copy_image(file, size);
    if (!copied.ok()) {
        give_room_back();
        return copied.error();
    }
    Owned<Memory> image = std::move(*copied);
    const bool may_copy = make_room(component(number).preserved_pages).ok();
    if (r.state == ComponentState::running) take_down(number);
    if (may_copy)
        if (auto copy = copy_preserved(number); copy.ok()) r.snapshot = copy->release();
    r.healthy = 0;
    r.trial_end = now() + kTrial;
    r.fallback = r.image;
    r.intent = Intent::updating;
    r.image.size = size;
    r.image.memory = image.release();
    r.update = UpdateState::trial;
    r.deaths = 0;
    r.restart_at = now();
    settle(number, ComponentState::waiting);
    reporter_.line(Severity::notice, "{} is updated", name_of(number));
    bring_up(number);
    schedule();
    return {};
}

void System::drop_snapshot(u32 number) {
    Handle<Memory> snapshot(std::exchange(records_->components[number].snapshot, abi::kNoHandle));
    if (snapshot.valid()) static_cast<void>(snapshot.destroy());
}

/// Destroys the executable that is not needed any more.
void System::end_trial(u32 number, UpdateState state) {
    ComponentRecord& r = records_->components[number];
    const bool stays = state == UpdateState::updated;
    Handle<Memory> gone((stays ? r.fallback : r.image).memory);
    // (They are the same if a predecessor of ours died right here.)
    if (r.fallback.memory == r.image.memory) gone.release();
    if (!stays) r.image = r.fallback;
    r.fallback = {};
    r.update = state;
    drop_snapshot(number);
    if (gone.valid()) static_cast<void>(gone.destroy());
    give_room_back();
}

/// The update has failed, and is down.
void System::roll_back(u32 number) {
    ComponentRecord& r = records_->components[number];
    const u64 bytes = u64{component(number).preserved_pages} * abi::kPageSize;
    // It is dead: what it has answered by now is all that it ever will.
    if (Borrowed<Signal>(r.pong).poll(~u64{0}) != 0) r.healthy = 1;
    // Nobody has been answered by it: as if it had never been.
    if (r.healthy == 0 && r.snapshot != abi::kNoHandle) {
        auto from = Mapping::create(Borrowed<Memory>(r.snapshot), 0, bytes, abi::kMapRead);
        auto to = Mapping::create(Borrowed<Memory>(r.preserved), 0, bytes);
        if (from.ok() && to.ok()) std::memcpy(to->as<void>(), from->as<void>(), bytes);
    }
    reporter_.line(Severity::error, "{}: the update failed, what ran before is back", name_of(number));
    end_trial(number, UpdateState::refused);
}

void System::watch_trial(u32 number, abi::Time time) {
    ComponentRecord& r = records_->components[number];
    if (r.healthy == 0 && Borrowed<Signal>(r.pong).poll(~u64{0}) != 0) {
        r.healthy = 1;
        drop_snapshot(number);
    }
    if (time < r.trial_end) return;
    if (r.healthy == 0) return died(number, "update: no heartbeat within its deadline");
    end_trial(number, UpdateState::updated);
}

}  // namespace pith::supervisor
