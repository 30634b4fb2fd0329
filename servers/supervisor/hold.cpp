// SPDX-License-Identifier: MIT
// Answering for a service that is down for good: a thread that receives on its Endpoint and refuses
// everything.
#include "servers/supervisor/system.hpp"

namespace pith::supervisor {

namespace {

[[noreturn]] void refuse_all(void* argument) {
    const auto endpoint = static_cast<abi::HandleIndex>(reinterpret_cast<u64>(argument));
    Message message;
    bool caller = false;
    for (;;) {
        Error error;
        if (caller) {
            message.tag = abi::Tag(0, 0, 0, Error::held_down);
            error = ipc_reply_recv(endpoint, message);
        } else {
            error = ipc_recv(endpoint, message);
        }
        caller = error == Error::ok;
        for (u32 i = 0; caller && i < message.tag.handles() && i < abi::kMessageHandles; i++)
            HandleBase<Memory>(this_buffer().handles[i].handle).reset();
    }
}

}  // namespace

void System::hold(u32 number) {
    Life& life = lives_[number];
    if (life.hold.valid() || component(number).provides.count == 0) return;
    ThreadOptions options;
    options.name = name_of(number);
    options.priority = static_cast<u8>(component(number).priority);
    options.stack_size = abi::kPageSize;
    auto thread = NativeThread::start(own_pool(), refuse_all,
                                      reinterpret_cast<void*>(u64{record(number).endpoint}), options);
    // Without it clients wait instead of getting an error: worth a line, not an end. It is tried again.
    if (thread.ok()) life.hold = std::move(*thread);
    else reporter_.line(Severity::error, "no memory to answer for {}", name_of(number));
}

/// It is down for good, and nobody says so to who asks: there was no memory for that.
bool System::unanswered(u32 number) const {
    const ComponentRecord& r = record(number);
    const bool down = r.state == ComponentState::held_down ||
                      (r.state == ComponentState::stopped && r.generation != 0);
    return down && !lives_[number].hold.valid() && component(number).provides.count != 0;
}

void System::release(u32 number) { lives_[number].hold = NativeThread(); }

}  // namespace pith::supervisor
