// SPDX-License-Identifier: MIT
// How a Linux thread waits inside the server. A Sleep is the wait of one coroutine on behalf of one Thread: it is
// entered in any number of WaitQueues, and ends when one of them is woken, when its deadline passes, or when a
// signal that the thread does not block (or its death) interrupts it. Waking never runs the sleeper on the spot:
// it is made ready (lib/os/task.hpp) and runs from the event loop, so a waker's state cannot change under it.
//
//   while (!pipe.readable()) PITH_CO_CHECK(co_await wait_on(thread, pipe.readers));
//
// A sleeper looks again after waking: a wake-up is a hint. WaitEntry alone (with a callback) is for epoll.
#pragma once

#include <coroutine>

#include "lib/os/task.hpp"
#include "servers/linux/errno.hpp"

namespace pith::lx {

using abi::Time;
class Thread;
class WaitQueue;

/// One registration in one WaitQueue. It leaves the queue when it is destroyed, and so does the queue's last user.
class WaitEntry {
  public:
    /// False: nobody was woken by it, so that an exclusive entry leaves the event to the next one.
    using Callback = bool (*)(WaitEntry& entry, u32 events);
    explicit WaitEntry(Callback callback, bool exclusive = false)
        : callback_(callback), exclusive_(exclusive) {}
    WaitEntry(const WaitEntry&) = delete;
    WaitEntry& operator=(const WaitEntry&) = delete;
    ~WaitEntry() { leave(); }
    void leave();
    bool queued() const { return queue_ != nullptr; }

  private:
    friend class WaitQueue;
    WaitQueue* queue_ = nullptr;
    WaitEntry* next_ = nullptr;
    WaitEntry* previous_ = nullptr;
    Callback callback_;
    bool exclusive_;
};

/// A list of those who wait for one thing. `events` are poll bits (0: anything).
class WaitQueue {
  public:
    WaitQueue() = default;
    WaitQueue(const WaitQueue&) = delete;
    WaitQueue& operator=(const WaitQueue&) = delete;
    ~WaitQueue();
    void add(WaitEntry& entry);
    /// Calls all non-exclusive entries, and exclusive ones until `exclusive` of them have woken somebody, in order of arrival. False: nobody
    /// was woken.
    bool wake(u32 events = 0, u32 exclusive = 1);
    void wake_all(u32 events = 0) { wake(events, ~0u); }
    bool empty() const { return first_ == nullptr; }

  private:
    friend class WaitEntry;
    WaitEntry* first_ = nullptr;
    WaitEntry* last_ = nullptr;
    WaitEntry* cursor_ = nullptr;  ///< next to be called in wake: kept right when entries leave in between
};

/// What may end a Sleep early.
enum class Interruptible : u8 {
    signals,  ///< any signal that is to be handled, and death
    kill,     ///< only the thread's death
};

/// The wait of one coroutine. Awaiting it gives ok when woken, ETIMEDOUT at the deadline, ERESTARTSYS when
/// interrupted. It can be awaited again (its queue entries stay). A thread sleeps in one Sleep at a time.
class Sleep {
  public:
    Sleep(Thread& thread, Time deadline = 0, Interruptible interruptible = Interruptible::signals);
    Sleep(const Sleep&) = delete;
    Sleep& operator=(const Sleep&) = delete;
    ~Sleep();

    /// Ends the wait as if a queue had been woken. For callbacks and special wakers (futex, signals). False: it had ended already.
    bool wake() { return finish(Errno::ok); }
    /// Called for a signal or death. Does nothing if this Sleep does not care.
    void interrupt(bool death);

    bool await_ready();
    void await_suspend(std::coroutine_handle<> handle);
    SysResult<> await_resume();

  private:
    bool finish(Errno result);
    struct Alarm : Timer {
        explicit Alarm(Sleep& owner) : Timer(&expired), sleep(owner) {}
        Sleep& sleep;
    };
    static void expired(Timer& timer) { static_cast<Alarm&>(timer).sleep.finish(Errno::ETIMEDOUT); }

    Thread& thread_;
    Time deadline_;
    Waiter waiter_;
    Alarm timer_{*this};
    Errno result_ = Errno::ok;
    Interruptible interruptible_;
    bool woken_ = false;    ///< finish() was called since the last await_resume
    bool waiting_ = false;  ///< suspended, and not yet on the ready list
};

/// An entry that wakes a Sleep. `poll`-like calls keep one for each queue.
class SleepEntry : public WaitEntry {
  public:
    explicit SleepEntry(Sleep& sleep, bool exclusive = false)
        : WaitEntry(&called, exclusive), sleep_(sleep) {}

  private:
    static bool called(WaitEntry& entry, u32) { return static_cast<SleepEntry&>(entry).sleep_.wake(); }
    Sleep& sleep_;
};

/// Sleep in one queue: `co_await wait_on(thread, queue, deadline)`.
class QueueSleep : public Sleep {
  public:
    QueueSleep(Thread& thread, WaitQueue& queue, Time deadline, bool exclusive)
        : Sleep(thread, deadline), entry_(*this, exclusive) {
        queue.add(entry_);
    }

  private:
    SleepEntry entry_;
};
inline QueueSleep wait_on(Thread& thread, WaitQueue& queue, Time deadline = 0, bool exclusive = false) {
    return QueueSleep(thread, queue, deadline, exclusive);
}

}  // namespace pith::lx
