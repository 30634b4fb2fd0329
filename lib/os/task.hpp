// SPDX-License-Identifier: MIT
// Task<T>: a lazy coroutine that one other awaits. `spawn` starts one by itself. Nothing throws: a Task whose
// frame could not be allocated is empty; awaiting it gives T(Error::no_memory) where T can be made of an
// Error (any Result), and is a panic otherwise: what can be refused under memory pressure returns a Result. A
// Task that is destroyed while it waits takes itself out of what it waits for. WaitList and Event are what
// tasks wait on; deadlines come from the thread's event loop.
#pragma once

#include <concepts>
#include <coroutine>
#include <new>
#include <utility>

#include "lib/base/result.hpp"
#include "lib/os/panic.hpp"
#include "lib/os/thread_context.hpp"

namespace pith {

template <typename T = void>
class Task;

namespace detail {

struct PromiseBase {
    std::coroutine_handle<> continuation = std::noop_coroutine();
    bool detached = false;

    std::suspend_always initial_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept {}
    struct Final {
        bool await_ready() noexcept { return false; }
        template <typename P>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<P> self) noexcept {
            const std::coroutine_handle<> next = self.promise().continuation;
            if (self.promise().detached) self.destroy();
            return next;
        }
        void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
};

template <typename T>
struct Promise : PromiseBase {
    union {
        T value;
    };
    bool set = false;
    Promise() {}
    ~Promise() {
        if (set) value.~T();
    }
    static Task<T> get_return_object_on_allocation_failure() { return Task<T>(); }
    Task<T> get_return_object() { return Task<T>(std::coroutine_handle<Promise>::from_promise(*this)); }
    template <typename U>
        requires std::convertible_to<U&&, T>
    void return_value(U&& from) {
        ::new (static_cast<void*>(&value)) T(std::forward<U>(from));
        set = true;
    }
};

template <>
struct Promise<void> : PromiseBase {
    static Task<void> get_return_object_on_allocation_failure();
    Task<void> get_return_object();
    void return_void() {}
};

}  // namespace detail

template <typename T>
class [[nodiscard]] Task {
  public:
    using promise_type = detail::Promise<T>;
    using Coroutine = std::coroutine_handle<promise_type>;
    Task() = default;
    explicit Task(Coroutine coroutine) : coroutine_(coroutine) {}
    Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, {})) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            if (coroutine_) coroutine_.destroy();
            coroutine_ = std::exchange(other.coroutine_, {});
        }
        return *this;
    }
    ~Task() {
        if (coroutine_) coroutine_.destroy();
    }
    /// False: its frame could not be allocated.
    bool valid() const { return static_cast<bool>(coroutine_); }

    bool await_ready() const { return !coroutine_; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
        coroutine_.promise().continuation = caller;
        return coroutine_;
    }
    T await_resume() {
        if (!coroutine_) {
            if constexpr (std::is_constructible_v<T, Error>) {
                return T(Error::no_memory);
            } else {
                panic("no memory for a task");
            }
        }
        if constexpr (!std::is_void_v<T>) return std::move(coroutine_.promise().value);
    }

    /// Lets it run by itself from now on. False: it is empty.
    bool detach() && {
        if (!coroutine_) return false;
        const Coroutine started = std::exchange(coroutine_, {});
        started.promise().detached = true;
        started.resume();
        return true;
    }

  private:
    Coroutine coroutine_;
};

inline Task<void> detail::Promise<void>::get_return_object_on_allocation_failure() { return {}; }
inline Task<void> detail::Promise<void>::get_return_object() {
    return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

/// Starts a task that nobody waits for; it runs at once, up to its first wait. False: no memory for it.
inline bool spawn(Task<void>&& task) { return std::move(task).detach(); }

/// Makes a waiter ready: its coroutine goes on when the event loop next looks.
inline void make_ready(Waiter& waiter) { thread_context().ready.push(waiter); }

/// Awaitable: in a list, and for a time.
class WaitOperation {
  public:
    WaitOperation(WaiterList* list, abi::Time deadline) : list_(list), deadline_(deadline) {
        timer_.self = this;
    }
    bool await_ready() const { return deadline_ == abi::kPoll; }
    void await_suspend(std::coroutine_handle<> coroutine) {
        waiter_.coroutine = coroutine;
        if (list_ != nullptr) list_->push(waiter_);
        if (deadline_ != abi::kNoDeadline) timer_.arm(deadline_);
    }
    /// False: the deadline passed.
    bool await_resume() {
        timer_.cancel();
        return !timed_out_ && deadline_ != abi::kPoll;
    }

  private:
    struct Expiry : Timer {
        Expiry()
            : Timer([](Timer& timer) {
                  WaitOperation& wait = *static_cast<Expiry&>(timer).self;
                  wait.timed_out_ = true;
                  make_ready(wait.waiter_);
              }) {}
        WaitOperation* self = nullptr;
    };
    WaiterList* list_;
    abi::Time deadline_;
    Waiter waiter_;
    Expiry timer_;
    bool timed_out_ = false;
};

/// Tasks that wait for something to change.
class WaitList {
  public:
    /// `co_await list.wait()`: until woken; with a deadline, false if that passed first.
    WaitOperation wait(abi::Time deadline = abi::kNoDeadline) { return {&waiters_, deadline}; }
    bool empty() const { return waiters_.empty(); }
    bool wake_one() {
        Waiter* waiter = waiters_.pop();
        if (waiter != nullptr) make_ready(*waiter);
        return waiter != nullptr;
    }
    void wake_all() {
        while (wake_one()) {}
    }

  private:
    WaiterList waiters_;
};

/// A flag that tasks wait for; it stays set until `reset`.
class Event {
  public:
    bool set() const { return set_; }
    void notify() {
        set_ = true;
        list_.wake_all();
    }
    void reset() { set_ = false; }
    struct Operation {
        Event& event;
        WaitOperation wait;
        bool await_ready() const { return event.set_ || wait.await_ready(); }
        void await_suspend(std::coroutine_handle<> coroutine) { wait.await_suspend(coroutine); }
        bool await_resume() { return wait.await_resume() || event.set_; }
    };
    /// True: it is set; false: the deadline passed.
    Operation wait(abi::Time deadline = abi::kNoDeadline) { return {*this, list_.wait(deadline)}; }

  private:
    bool set_ = false;
    WaitList list_;
};

/// `co_await sleep_until(t)`.
inline WaitOperation sleep_until(abi::Time deadline) { return {nullptr, deadline}; }

}  // namespace pith
