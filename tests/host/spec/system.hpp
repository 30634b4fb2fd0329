// SPDX-License-Identifier: MIT
// The specified kernel: what each system call does to the state. The definition of the kernel's behaviour.
//
// `call` runs one system call of a thread to its end, or until the thread blocks; other threads' blocked calls may end
// by it. A call that has ended is in Thread::completion: the errors that a kernel may answer (any of them; a refused call
// has changed nothing: I6), or success with its results. Calls are atomic here: a kernel that is preempted in one must
// look as if it were not. Scheduling is specified as "who may run" (scheduling.cpp), not as an order of events.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "abi/info.hpp"
#include "abi/syscall.hpp"
#include "tests/host/spec/state.hpp"

namespace pith::spec {

/// A system call as a thread makes it: registers and message buffer.
struct Call {
    abi::Syscall number{};
    HandleIndex handle = abi::kNoHandle;
    std::array<u64, 6> a{};  ///< a0..a5; not for messages
    u64 tag = 0;             ///< messages
    Time deadline = abi::kNoDeadline;
    std::array<u64, abi::kRegisterWords> words{};
    abi::MessageBuffer buffer{};
};

/// What the kernel chose where the specification leaves it a choice.
struct Observed {
    /// What it answered, if the call ended at once: resource errors are right where an operation needs the resource.
    Error error = Error::ok;
    /// What space_map said: how far it came before it ran out of pages.
    u64 progress = 0;
    /// Whether it has mapped a page: how far space_share came before it ran out of pages.
    std::function<bool(Id space, u64 address)> mapped;
    /// The slot in which it put a capability that was put "anywhere". Default: the lowest free one.
    std::function<HandleIndex(Id table, const Capability&)> choose_slot;
    /// Which of several waiting senders of equal priority was received, which of several receivers received. Default: the
    /// oldest.
    std::function<Id(const std::vector<Id>& candidates)> choose_thread;
};

using Errors = std::set<Error>;

/// What a word of the message buffer may be after a call: its bits of `mask` are from `least` to `most`.
struct Word {
    usize index = 0;
    u64 least = 0, most = 0;
    u64 mask = ~u64{0};
};

/// How a call ended at once: `errors` empty is success. `blocks`: it has not ended.
struct Outcome {
    Errors errors;
    u64 r0 = 0, r1 = 0, r2 = 0;
    bool blocks = false;
    bool any_values = false;   ///< r0 to r2 are not specified
    std::vector<Word> output;  ///< what is specified of the buffer
};

/// Who may be the running thread of a CPU.
struct Runnable {
    std::set<Id> threads;
    bool somebody = false;  ///< the CPU must not be idle
};

/// What the machine is like, which calls on it depend on.
struct Platform {
    u64 ram_base = 0, ram_size = 0;
    u32 lines = 24;      ///< interrupt lines that there are
    u32 max_lines = 32;  ///< that there could be; those beyond `lines` are for messages
    u64 message_address = 0xfee0'0000;
    u64 fpu_words = 64;  ///< of which word 0 is reserved
};

class System {
  public:
    /// The first state: a Pool, and a native thread with a Space, a CapTable and an unlimited Budget made from it. The
    /// handles of these are RootSlot's.
    System(u64 pool_pages, u32 cpus);

    Outcome call(Id thread, const Call& call, Observed observed);
    /// A foreign thread executes `syscall`, faults, or a native thread with a handler faults.
    void raise(Id thread, abi::Event event, const std::array<u64, 8>& words);
    /// A thread with `interrupt_pending` reaches its user-mode boundary.
    void arrive(Id thread);
    /// The clock: calls whose deadline has passed end.
    void advance(Time to);

    // Scheduling: who may run.
    u8 effective_priority(Id thread) const;
    /// Whether what it inherits comes from threads that wait for each other in a circle: then its priority is not specified.
    bool in_circle(Id thread) const;
    Id paying_budget(Id thread) const;
    /// `spent` says which Budgets have run out.
    Runnable may_run(u32 cpu, const std::function<bool(Id budget)>& spent) const;
    /// A thread whose lender's Budget can't be used goes on with its own, at its own priority, until it is lent to anew.
    /// False: it may not.
    bool enter_reserve(Id thread, const std::function<bool(Id budget)>& spent);
    /// The Budget ran out before its period did.
    void overrun(Id budget);

    // What happens to a machine.
    /// An interrupt line is raised. False: it is masked, or nobody's, and stays pending.
    bool interrupt(u32 line);
    /// The thread writes to an address of its Space. False: it faults.
    bool write(Id thread, u64 address);

    /// What is wrong with the state by itself: I1 to I6 as far as a state shows them. Empty: nothing.
    std::string check() const;

    /// The state as text: equal texts are states that no further calls can tell apart, but by names that were used up.
    std::string canonical() const;

    // The state, for who compares it with a kernel's.
    std::map<Id, Object> objects;
    std::map<Id, Capability> capabilities;
    Time now = 0;
    u32 cpus = 1;
    Platform platform;
    Id root_thread = kNone, root_pool = kNone;
    std::string violation;  ///< a choice of the kernel's that it may not make

    template <typename T>
    T& as(Id id) {
        return std::get<T>(objects.at(id).body);
    }
    template <typename T>
    const T& as(Id id) const {
        return std::get<T>(objects.at(id).body);
    }
    bool alive(Id id) const { return objects.contains(id); }
    /// The capability in a slot of a thread's table; null: none.
    const Capability* find(Id thread, HandleIndex handle) const;
    std::set<Id> pool_contents(Id pool) const;  ///< all that was made in it, sub-pools' included
    u64 pool_used_at_least(Id pool) const;      ///< pages of Memories (but devices') and limits of sub-pools
    u64 count(ObjectType type) const;
    std::set<Id> children(Id capability) const;

  private:
    // Capabilities (capabilities.cpp)
    const Capability* lookup(Id thread, HandleIndex handle, ObjectType type, RightsBits right,
                             Errors& errors) const;
    Id id_of(Id thread, HandleIndex handle) const;
    bool place(Id table, HandleIndex slot, Capability capability, Id parent, HandleIndex& placed);
    void remove(Id capability);
    void take_away(Id capability);
    void remove_below(Id capability);
    Outcome install(Id thread, Id object);
    Outcome cap_copy(Id thread, const Call& call);
    Outcome cap_delete(Id thread, const Call& call);
    Outcome cap_revoke(Id thread, const Call& call);
    Outcome cap_info(Id thread, const Call& call);
    Outcome cap_take(Id thread, const Call& call);

    // Objects and Pools (pools.cpp)
    Id add(ObjectType type, Id pool, decltype(Object::body) body);
    Outcome create(Id thread, const Call& call, ObjectType type, decltype(Object::body) body, u64 pages);
    Outcome object_destroy(Id thread, const Call& call);
    void destroy(Id object);
    Outcome pool_create(Id thread, const Call& call);
    Outcome pool_resize(Id thread, const Call& call);
    Outcome memory_create(Id thread, const Call& call);
    Outcome captable_create(Id thread, const Call& call);

    // Spaces (spaces.cpp)
    Outcome space_map(Id thread, const Call& call);
    Outcome space_unmap(Id thread, const Call& call);
    Outcome space_protect(Id thread, const Call& call);
    Outcome space_share(Id thread, const Call& call);
    Outcome space_dirty(Id thread, const Call& call);

    // What objects tell of themselves (info.cpp)
    Outcome pool_info(Id thread, const Call& call);
    Outcome memory_info(Id thread, const Call& call);
    Outcome space_info(Id thread, const Call& call);
    Outcome budget_info(Id thread, const Call& call);
    Outcome thread_info(Id thread, const Call& call);
    Outcome thread_fpu(Id thread, const Call& call);

    // The machine (devices.cpp)
    Outcome interrupt_create(Id thread, const Call& call);
    Outcome interrupt_bind(Id thread, const Call& call);
    Outcome interrupt_acknowledge(Id thread, const Call& call);
    Outcome dma_address(Id thread, const Call& call);
    Outcome ports_create(Id thread, const Call& call);
    Outcome ports_bind(Id thread, const Call& call);
    Outcome device_memory(Id thread, const Call& call);
    Outcome machine_call(Id thread, const Call& call);

    // Threads, Budgets (threads.cpp)
    Outcome thread_create(Id thread, const Call& call);
    Outcome thread_call(Id thread, const Call& call);
    Outcome thread_configure(Id thread, const Call& call);
    Outcome budget_create(Id thread, const Call& call);
    Outcome budget_configure(Id thread, const Call& call);
    void kill(Id thread);
    void set_cpu(Id thread, u32 cpu);

    // Messages (messages.cpp), Signals (signals.cpp)
    Outcome start_call(Id thread, const Call& call);
    Outcome start_recv(Id thread, const Call& call);
    Outcome reply(Id thread, const Call& call);
    Outcome reply_recv(Id thread, const Call& call);
    Outcome take_reply(Id thread, const Call& call);
    Outcome adopt(Id thread, const Call& call);
    Errors message_errors(Id thread, const Message& message) const;
    Message message_of(const Call& call) const;
    Error deliver(Id from, Id to);
    Error answer(Id caller, Id server, const Message& message);
    Error transfer(Id from, Id to, Message& message);
    mutable bool circle_ = false;
    using Path = std::set<Id>;  // threads on the way to this one
    u8 priority_of(Id thread, Path path) const;
    Id helper_of(Id thread, Path path) const;
    bool usable(Id budget, u32 cpu, const std::function<bool(Id budget)>& spent) const;
    std::vector<Id> senders_for(Id endpoint, Id receiver) const;
    std::pair<Id, Id> next_pair(Id endpoint) const;
    void receive_next(Id endpoint);
    void enqueue(Id thread, Id endpoint);
    void withdraw_loan(Id lender);
    void abandon(Id caller);
    void unqueue(Id thread);
    void finish(Id thread, Completion completion);
    void block(Id thread, State state, Time deadline);
    Outcome signal_notify(Id thread, const Call& call);
    Outcome signal_wait(Id thread, const Call& call);
    void signal(Id signal, u64 bits);

    Id next_ = 1;
    Observed observed_;
};

}  // namespace pith::spec
