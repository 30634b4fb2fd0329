// SPDX-License-Identifier: MIT
// Destroying what may take long: a zone of Linux programs has nearly all of the machine's memory. Where it is a lot a thread of its own does it, while
// the first one waits and answers root's heartbeat.
#include <atomic>

#include "lib/os/heartbeat.hpp"
#include "servers/supervisor/system.hpp"

namespace pith::supervisor {

namespace {

constexpr u64 kLargePool = 4096;  // pages
constexpr abi::Time kBeat = 20 * kMillisecond;

struct Work {
    abi::HandleIndex object;
    abi::HandleIndex signal;
    u64 bit;                   ///< that it gets when it is done
    abi::HandleIndex never;    ///< a Signal that nobody notifies
    std::atomic<bool> done{};  ///< (who has the Signal can set the bit too)
};

[[noreturn]] void destroy_object(void* argument) {
    Work& work = *static_cast<Work*>(argument);
    static_cast<void>(Handle<Pool>(work.object).destroy());
    work.done.store(true, std::memory_order_release);
    static_cast<void>(Borrowed<Signal>(work.signal).notify(work.bit));
    for (;;) static_cast<void>(Borrowed<Signal>(work.never).wait(1));  // it is ended
}

}  // namespace

void System::destroy_pool(Handle<Pool> pool) {
    auto info = pool.pool_info();
    if (info.ok() && info->used < kLargePool) static_cast<void>(pool.destroy());
    else destroy_large(std::move(pool));
}

void System::destroy_large(Handle<Pool> object) {
    ThreadOptions options;
    options.name = "destruction";
    options.stack_size = abi::kPageSize;
    // Not above what this thread has from who called it: it could not answer meanwhile.
    if (auto own = own_thread().thread_info(); own.ok()) options.priority = own->effective_priority;
    auto made = own_pool().create_signal();
    const Owned<Signal> never = made.ok() ? std::move(*made) : Owned<Signal>();
    Work work{object.index(), loop_.signal().index(), destroyed_bit_, never.index()};
    const auto thread = never.valid() ? NativeThread::start(own_pool(), destroy_object, &work, options)
                                      : Result<NativeThread>(Error::no_memory);
    if (!thread.ok()) return static_cast<void>(object.destroy());
    object.release();
    while (!work.done.load(std::memory_order_acquire)) {
        static_cast<void>(loop_.signal().wait(destroyed_bit_, now() + kBeat));
        answer_heartbeat();
    }
}

/// Who next destroys something in a Pool goes on with what somebody left unfinished there who died meanwhile: a predecessor of ours.
void System::finish_destructions() {
    auto scrap = system_pool_.create_signal();
    if (scrap.ok()) destroy_large(Handle<Pool>(scrap->release()));
}

}  // namespace pith::supervisor
