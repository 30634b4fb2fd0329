// SPDX-License-Identifier: MIT
// Taking over from a predecessor that died. The records say what it had and what it was about to do; the
// kernel says what there is. An intent that was not finished is undone by ending the component; what no
// record knows is destroyed.
#include "servers/supervisor/system.hpp"

namespace pith::supervisor {

namespace {

bool names(abi::HandleIndex slot, abi::ObjectType type) {
    if (slot == abi::kNoHandle) return true;
    const SyscallResult result = invoke(abi::Syscall::cap_info, slot);
    return result.error == Error::ok && static_cast<abi::ObjectType>(result.r0) == type;
}

}  // namespace

bool System::known_slot(abi::HandleIndex slot) const {
    for (u32 i = 0; i < start_info().handle_count; i++)
        if (start_info().handles[i].handle == slot) return true;
    if (slot == root_.endpoint().index()) return true;
    for (u32 i = 0; i < count(); i++) {
        const ComponentRecord& r = record(i);
        for (const abi::HandleIndex mine :
             {r.endpoint, r.pong, r.keep, r.preserved, r.kept, r.run, r.thread, r.signal, r.space, r.memory,
              r.snapshot, r.image.memory, r.fallback.memory})
            if (mine == slot) return true;
        for (const abi::HandleIndex device : r.devices)
            if (device == slot) return true;
    }
    return false;
}

/// Ends what a predecessor had made and not yet written down. Objects of ours that others only lent us are
/// let go, and so are the slots of what died with the predecessor.
void System::destroy_unknown() {
    for (abi::HandleIndex slot = 1; slot < 1024; slot++) {
        if (known_slot(slot)) continue;
        const SyscallResult info = invoke(abi::Syscall::cap_info, slot);
        if (info.error != Error::ok) {
            HandleBase<Memory>(slot).reset();
            continue;
        }
        const auto type = static_cast<abi::ObjectType>(info.r0);
        const bool ours = type == abi::ObjectType::thread || type == abi::ObjectType::pool ||
                          type == abi::ObjectType::interrupt || type == abi::ObjectType::io_ports ||
                          (type == abi::ObjectType::endpoint && info.r2 == 0) ||
                          type == abi::ObjectType::signal || type == abi::ObjectType::memory;
        if (ours && (info.r1 & abi::kRightManage) != 0) {
            Handle<Pool> object(slot);
            if (type == abi::ObjectType::pool) destroy_pool(std::move(object));
            else static_cast<void>(object.destroy());
        } else HandleBase<Memory>(slot).reset();
    }
}

void System::recover_component(u32 number) {
    ComponentRecord& r = records_->components[number];
    const bool whole = names(r.endpoint, abi::ObjectType::endpoint) &&
                       names(r.pong, abi::ObjectType::signal) && names(r.keep, abi::ObjectType::pool) &&
                       names(r.preserved, abi::ObjectType::memory) &&
                       names(r.kept, abi::ObjectType::captable) &&
                       names(r.image.memory, abi::ObjectType::memory) &&
                       names(r.fallback.memory, abi::ObjectType::memory) &&
                       names(r.snapshot, abi::ObjectType::memory);
    if (!whole) panic("the records do not match the kernel's capabilities");
    const bool alive = r.state == ComponentState::running && r.intent == Intent::none &&
                       names(r.run, abi::ObjectType::pool) && names(r.thread, abi::ObjectType::thread) &&
                       names(r.memory, abi::ObjectType::memory);
    if (alive) {
        auto info = Borrowed<Thread>(r.thread).thread_info();
        const auto state = info.ok() ? static_cast<abi::ThreadState>(info->state) : abi::ThreadState::dead;
        if (state != abi::ThreadState::dead && state != abi::ThreadState::stopped) {
            lives_[number].next_check = now() + component(number).heartbeat;
            return;
        }
        constexpr std::string_view kCause = "died while the supervisor was down";
        report_crash(number, kCause, nullptr);
        r.intent = Intent::ending;
        r.died_at = now();
        r.total_deaths++;
        set_cause(r, kCause);
    }
    if (r.intent == Intent::starting || r.intent == Intent::ending) {
        take_down(number);
        after_death(number);
        return;
    }
    if (unanswered(number)) hold(number);
}

void System::recover() {
    // A component that was being created begins again; what was made of it by then is unknown from here on.
    for (u32 i = 0; i < count(); i++)
        if (record(i).intent == Intent::creating) records_->components[i] = ComponentRecord{};
    // What was to be its executable may not be written down in full.
    for (u32 i = 0; i < count(); i++) {
        ComponentRecord& r = records_->components[i];
        if (r.update != UpdateState::trial || r.intent == Intent::updating) drop_snapshot(i);
        if (r.intent != Intent::updating) continue;
        r.image = r.fallback;
        r.fallback = {};
        r.update = UpdateState::refused;
        r.intent = Intent::ending;
    }
    destroy_unknown();
    bool unfinished = false;
    for (u32 i = 0; i < count(); i++) unfinished = unfinished || record(i).intent != Intent::none;
    if (unfinished) finish_destructions();
    for (u32 i = 0; i < count(); i++) recover_component(i);
    give_room_back();
    // A predecessor may have died between a start and telling the clients of it: each looks for itself.
    for (u32 i = 0; i < count(); i++)
        if (record(i).state == ComponentState::running)
            static_cast<void>(Borrowed<Signal>(record(i).signal).notify(kSignalReborn));
}

}  // namespace pith::supervisor
