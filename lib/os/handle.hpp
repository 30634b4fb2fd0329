// SPDX-License-Identifier: MIT
// Handle<T>: a capability in this component's CapTable, move-only and typed by the object that it names, with
// the calls of that object as methods. Destroying a Handle deletes the capability; the object lives on, in
// its Pool, until `destroy()`, or until the Pool goes. `Owned<T>` destroys the object with the handle.
#pragma once

#include <span>
#include <utility>

#include "abi/info.hpp"
#include "abi/memory.hpp"
#include "abi/thread.hpp"
#include "lib/os/syscall.hpp"

namespace pith {

struct Pool;
struct Memory;
struct Space;
struct CapTable;
struct Thread;
struct Budget;
struct Endpoint;
struct Reply;
struct Signal;
struct Interrupt;
struct IoPorts;
struct Machine;

template <typename T>
class Handle;

/// Rights for `copy`: an `or` of the right enumerations of abi/types.hpp.
template <typename... Rights>
constexpr abi::RightsBits rights(Rights... bits) {
    return static_cast<abi::RightsBits>((0u | ... | static_cast<unsigned>(bits)));
}
inline constexpr abi::RightsBits kCopyRight = abi::kRightCopy;

/// What cap_info tells.
struct CapabilityInfo {
    abi::ObjectType type;
    abi::RightsBits rights;
    u64 badge;
};

/// What every handle has. Never used by itself.
template <typename T>
class HandleBase {
  public:
    HandleBase() = default;
    explicit HandleBase(abi::HandleIndex index) : index_(index) {}
    HandleBase(HandleBase&& other) noexcept : index_(other.release()) {}
    HandleBase& operator=(HandleBase&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~HandleBase() { reset(); }

    abi::HandleIndex index() const { return index_; }
    bool valid() const { return index_ != abi::kNoHandle; }
    /// Gives the slot up without deleting the capability.
    abi::HandleIndex release() { return std::exchange(index_, abi::kNoHandle); }
    /// Deletes the capability and takes another slot.
    void reset(abi::HandleIndex index = abi::kNoHandle) {
        if (index_ != abi::kNoHandle) invoke(abi::Syscall::cap_delete, index_, abi::kNoHandle);
        index_ = index;
    }
    /// A further capability to the same object, derived from this one, in the own table.
    Result<Handle<T>> copy(abi::RightsBits mask = abi::kAllRights) const {
        return create(invoke(abi::Syscall::cap_copy, index_, abi::kNoHandle, 0, mask, 0));
    }
    /// The same in another table, at `slot` (0: any). Gives the slot.
    Result<abi::HandleIndex> copy_to(const Handle<CapTable>& table, abi::HandleIndex slot = 0,
                                     abi::RightsBits mask = abi::kAllRights, u64 badge = 0) const;
    /// Deletes everything that was derived from this capability.
    Result<> revoke() const { return as_result(invoke(abi::Syscall::cap_revoke, index_)); }
    Result<CapabilityInfo> info() const {
        const SyscallResult result = invoke(abi::Syscall::cap_info, index_);
        if (result.error != Error::ok) return result.error;
        return CapabilityInfo{static_cast<abi::ObjectType>(result.r0),
                              static_cast<abi::RightsBits>(result.r1), result.r2};
    }
    /// Destroys the object, and with it this capability, which goes also if the object does not.
    Result<> destroy() {
        const Result<> result = as_result(invoke(abi::Syscall::object_destroy, index_));
        if (result.ok()) release();
        else reset();
        return result;
    }

  protected:
    template <typename U = T>
    static Result<Handle<U>> create(const SyscallResult& result) {
        if (result.error != Error::ok) return result.error;
        return Handle<U>(static_cast<abi::HandleIndex>(result.r0));
    }

  private:
    abi::HandleIndex index_ = abi::kNoHandle;
};

template <>
class Handle<CapTable> : public HandleBase<CapTable> {
  public:
    using HandleBase::HandleBase;
    /// Deletes the capability in `slot` of that table.
    Result<> remove(abi::HandleIndex slot) const {
        return as_result(invoke(abi::Syscall::cap_delete, slot, index()));
    }
    /// A copy, in the own table, of the capability in `slot` of that table.
    template <typename T>
    Result<Handle<T>> take(abi::HandleIndex slot) const {
        return create<T>(invoke(abi::Syscall::cap_take, index(), slot, 0));
    }
};

template <typename T>
Result<abi::HandleIndex> HandleBase<T>::copy_to(const Handle<CapTable>& table, abi::HandleIndex slot,
                                                abi::RightsBits mask, u64 badge) const {
    const SyscallResult result = invoke(abi::Syscall::cap_copy, index_, table.index(), slot, mask, badge);
    if (result.error != Error::ok) return result.error;
    return static_cast<abi::HandleIndex>(result.r0);
}

template <>
class Handle<Signal> : public HandleBase<Signal> {
  public:
    using HandleBase::HandleBase;
    Result<> notify(u64 bits) const { return as_result(invoke(abi::Syscall::signal_notify, index(), bits)); }
    /// Waits for any bit of `mask`; gives the bits that were set, which are cleared.
    Result<u64> wait(u64 mask, abi::Time deadline = abi::kNoDeadline) const {
        const SyscallResult result = invoke(abi::Syscall::signal_wait, index(), mask, deadline);
        if (result.error != Error::ok) return result.error;
        return result.r0;
    }
    /// The bits of `mask` that are set now, which are cleared; 0: none.
    u64 poll(u64 mask) const { return wait(mask, abi::kPoll).value_or(0); }
};

template <>
class Handle<Memory> : public HandleBase<Memory> {
  public:
    using HandleBase::HandleBase;
    Result<abi::MemoryInfo> memory_info() const {
        const SyscallResult result = invoke(abi::Syscall::memory_info, index());
        if (result.error != Error::ok) return result.error;
        return buffer_as<abi::MemoryInfo>();
    }
};

template <>
class Handle<IoPorts> : public HandleBase<IoPorts> {
  public:
    using HandleBase::HandleBase;
    /// Lets the threads of `space` execute in and out on these ports.
    Result<> bind(const HandleBase<Space>& space) const {
        return as_result(invoke(abi::Syscall::ports_bind, index(), space.index()));
    }
};

template <>
class Handle<Space> : public HandleBase<Space> {
  public:
    using HandleBase::HandleBase;
    /// Maps one range; what is mapped before an error stays (see `map_ranges` for the count).
    Result<> map(u64 address, const HandleBase<Memory>& memory, u64 offset, u64 length, u32 flags) const {
        buffer_as<abi::MapRange>() = {address, memory.index(), flags, offset, length};
        return as_result(invoke(abi::Syscall::space_map, index(), 1));
    }
    /// Maps up to kMaxMapRanges ranges; gives the bytes that were mapped.
    Result<u64> map_ranges(std::span<const abi::MapRange> ranges) const {
        if (ranges.size() > abi::kMaxMapRanges) return Error::invalid;
        auto* out = reinterpret_cast<abi::MapRange*>(this_buffer().words);
        for (usize i = 0; i < ranges.size(); i++) out[i] = ranges[i];
        const SyscallResult result = invoke(abi::Syscall::space_map, index(), ranges.size());
        if (result.error != Error::ok) return result.error;
        return result.r0;
    }
    Result<> unmap(u64 address, u64 length) const {
        return as_result(invoke(abi::Syscall::space_unmap, index(), address, length));
    }
    Result<> protect(u64 address, u64 length, u32 flags) const {
        return as_result(invoke(abi::Syscall::space_protect, index(), address, length, flags));
    }
    /// Maps here what `source` maps in a range (see abi::ShareRange).
    Result<> share(const HandleBase<Space>& source, u64 address, u64 length, u32 flags,
                   u32 source_flags) const {
        buffer_as<abi::ShareRange>() = {source.index(), flags, address, length, source_flags, 0};
        return as_result(invoke(abi::Syscall::space_share, index()));
    }
    /// Harvests dirty bits, a bit a page, to this_buffer().words.
    Result<> dirty(u64 address, u64 pages) const {
        return as_result(invoke(abi::Syscall::space_dirty, index(), address, pages));
    }
    Result<abi::SpaceInfo> space_info() const {
        const SyscallResult result = invoke(abi::Syscall::space_info, index());
        if (result.error != Error::ok) return result.error;
        return buffer_as<abi::SpaceInfo>();
    }
};

template <>
class Handle<Budget> : public HandleBase<Budget> {
  public:
    using HandleBase::HandleBase;
    Result<> configure(const abi::BudgetParameters& parameters) const {
        buffer_as<abi::BudgetParameters>() = parameters;
        return as_result(invoke(abi::Syscall::budget_configure, index()));
    }
    Result<abi::BudgetInfo> budget_info() const {
        const SyscallResult result = invoke(abi::Syscall::budget_info, index());
        if (result.error != Error::ok) return result.error;
        return buffer_as<abi::BudgetInfo>();
    }
};

template <>
class Handle<Thread> : public HandleBase<Thread> {
  public:
    using HandleBase::HandleBase;
    Result<> start(u64 rip, u64 rsp, u64 argument) const {
        return as_result(invoke(abi::Syscall::thread_start, index(), rip, rsp, argument));
    }
    /// Foreign threads only.
    Result<> resume(abi::Resume how, u64 value = 0) const {
        return as_result(invoke(abi::Syscall::thread_resume, index(), static_cast<u64>(how), value));
    }
    Result<> interrupt() const { return as_result(invoke(abi::Syscall::thread_interrupt, index())); }
    Result<> set_cpu(u32 cpu) const { return as_result(invoke(abi::Syscall::thread_set_cpu, index(), cpu)); }
    Result<> set_priority(u8 priority) const {
        return as_result(invoke(abi::Syscall::thread_set_priority, index(), priority));
    }
    Result<> set_budget(const HandleBase<Budget>& budget) const {
        return as_result(invoke(abi::Syscall::thread_set_budget, index(), budget.index()));
    }
    Result<> bind_signal(const HandleBase<Signal>& signal) const {
        return as_result(invoke(abi::Syscall::thread_bind_signal, index(), signal.index()));
    }
    Result<> stop() const { return as_result(invoke(abi::Syscall::thread_stop, index())); }
    Result<> resume_stopped() const { return as_result(invoke(abi::Syscall::thread_continue, index())); }
    Result<abi::ThreadInfo> thread_info() const {
        const SyscallResult result = invoke(abi::Syscall::thread_info, index());
        if (result.error != Error::ok) return result.error;
        return buffer_as<abi::ThreadInfo>();
    }
    /// For readers of the trace: what it belongs to, the number of that (below kTraceForeign), and what it is. Of
    /// each name the first 16 bytes count.
    Result<> set_name(std::string_view process, u32 number, std::string_view name) const {
        return name_thread(index(), process, number, name);
    }
    /// 512 bytes of the extended state at `offset` to this_buffer().words; gives the size of the whole.
    Result<u64> fpu_read(u64 offset) const {
        const SyscallResult result = invoke(abi::Syscall::thread_fpu_read, index(), offset);
        if (result.error != Error::ok) return result.error;
        return result.r0;
    }
    Result<> fpu_write(u64 offset) const {
        return as_result(invoke(abi::Syscall::thread_fpu_write, index(), offset));
    }
};

template <>
class Handle<Endpoint> : public HandleBase<Endpoint> {
  public:
    using HandleBase::HandleBase;
    /// A capability with a badge, derived from this one (right mint), in the own table.
    Result<Handle<Endpoint>> mint(u64 badge, abi::RightsBits mask) const {
        return create(invoke(abi::Syscall::cap_copy, index(), abi::kNoHandle, 0, mask, badge));
    }
};

template <>
class Handle<Reply> : public HandleBase<Reply> {
  public:
    using HandleBase::HandleBase;
    /// A Reply for the thread's current caller.
    static Result<Handle<Reply>> take() { return create(invoke(abi::Syscall::take_reply)); }
    /// Takes the caller's Budget and priority up again; it becomes the current caller.
    Result<> adopt() {
        const auto result = as_result(invoke(abi::Syscall::adopt, index()));
        if (result.ok()) release();
        return result;
    }
    /// Answers; the Reply is used up, whatever comes of it. not_found: the caller has gone.
    Result<> send(const Message& message) {
        const Error error = ipc_reply(index(), message);
        if (error == Error::ok) release();
        else reset();  // a Reply that was cut off stays in its slot
        return as_result(error);
    }
};

template <>
class Handle<Interrupt> : public HandleBase<Interrupt> {
  public:
    using HandleBase::HandleBase;
    Result<> bind(const HandleBase<Signal>& signal, u64 bits) const {
        return as_result(invoke(abi::Syscall::interrupt_bind, index(), signal.index(), bits));
    }
    Result<> acknowledge() const { return as_result(invoke(abi::Syscall::interrupt_acknowledge, index())); }
};

template <>
class Handle<Pool> : public HandleBase<Pool> {
  public:
    using HandleBase::HandleBase;
    Result<Handle<Pool>> create_pool(u64 pages) const {
        return create<Pool>(invoke(abi::Syscall::pool_create, index(), pages));
    }
    Result<> resize(u64 pages) const { return as_result(invoke(abi::Syscall::pool_resize, index(), pages)); }
    Result<abi::PoolInfo> pool_info() const {
        const SyscallResult result = invoke(abi::Syscall::pool_info, index());
        if (result.error != Error::ok) return result.error;
        return buffer_as<abi::PoolInfo>();
    }
    Result<Handle<Memory>> create_memory(u64 bytes, u32 flags = 0) const {
        return create<Memory>(invoke(abi::Syscall::memory_create, index(), bytes, flags));
    }
    Result<Handle<Space>> create_space(bool jit = false) const {
        return create<Space>(invoke(abi::Syscall::space_create, index(), jit ? 1 : 0));
    }
    Result<Handle<CapTable>> create_captable(u32 slots) const {
        return create<CapTable>(invoke(abi::Syscall::captable_create, index(), slots));
    }
    Result<Handle<Thread>> create_thread(const abi::ThreadCreate& arguments) const {
        buffer_as<abi::ThreadCreate>() = arguments;
        return create<Thread>(invoke(abi::Syscall::thread_create, index()));
    }
    Result<Handle<Budget>> create_budget(const HandleBase<Budget>& parent,
                                         const abi::BudgetParameters& parameters) const {
        buffer_as<abi::BudgetParameters>() = parameters;
        return create<Budget>(invoke(abi::Syscall::budget_create, index(), parent.index()));
    }
    Result<Handle<Endpoint>> create_endpoint() const {
        return create<Endpoint>(invoke(abi::Syscall::endpoint_create, index()));
    }
    Result<Handle<Signal>> create_signal() const {
        return create<Signal>(invoke(abi::Syscall::signal_create, index()));
    }
};

template <>
class Handle<Machine> : public HandleBase<Machine> {
  public:
    using HandleBase::HandleBase;
    Result<Handle<Interrupt>> create_interrupt(const HandleBase<Pool>& pool, u32 line, u32 flags) const {
        return create<Interrupt>(invoke(abi::Syscall::interrupt_create, index(), pool.index(), line, flags));
    }
    /// One that a device raises by writing `data` to `address`.
    struct MessageInterrupt {
        Handle<Interrupt> interrupt;
        u64 address, data;
    };
    Result<MessageInterrupt> create_message_interrupt(const HandleBase<Pool>& pool) const {
        const SyscallResult result = invoke(abi::Syscall::interrupt_create, index(), pool.index(), 0,
                                            abi::kInterruptMessage);
        return MessageInterrupt{PITH_TRY(create<Interrupt>(result)), result.r1, result.r2};
    }
    /// Where devices find a contiguous Memory.
    Result<u64> dma_address(const HandleBase<Memory>& memory) const {
        const SyscallResult result = invoke(abi::Syscall::machine_dma_address, index(), memory.index());
        if (result.error != Error::ok) return result.error;
        return result.r0;
    }
    Result<Handle<IoPorts>> create_ports(const HandleBase<Pool>& pool, u16 first, u32 count) const {
        return create<IoPorts>(invoke(abi::Syscall::ports_create, index(), pool.index(), first, count));
    }
    Result<Handle<Memory>> device_memory(const HandleBase<Pool>& pool, u64 address, u64 bytes,
                                         u32 flags) const {
        return create<Memory>(
            invoke(abi::Syscall::machine_device_memory, index(), pool.index(), address, bytes, flags));
    }
    Result<abi::KernelCounts> kernel_counts() const {
        const SyscallResult result = invoke(abi::Syscall::machine_info, index(),
                                            static_cast<u64>(abi::MachineInfo::kernel));
        if (result.error != Error::ok) return result.error;
        return buffer_as<abi::KernelCounts>();
    }
    Result<abi::CpuCounts> cpu_counts(u32 cpu) const {
        const SyscallResult result = invoke(abi::Syscall::machine_info, index(),
                                            static_cast<u64>(abi::MachineInfo::cpu), cpu);
        if (result.error != Error::ok) return result.error;
        return buffer_as<abi::CpuCounts>();
    }
    /// A read-only view of a CPU's trace (abi/trace.hpp).
    Result<Handle<Memory>> trace(const HandleBase<Pool>& pool, u32 cpu) const {
        return create<Memory>(invoke(abi::Syscall::machine_trace, index(), pool.index(), cpu));
    }
    /// Ends an emulator that has a debug exit, else halts. Comes back only with an error.
    Result<> exit(u32 status) const { return as_result(invoke(abi::Syscall::machine_exit, index(), status)); }
    /// Writes to the kernel's debug console.
    void log(const char* text, usize length) const;
};

/// A handle to a slot that someone else owns: its end deletes nothing.
template <typename T>
class Borrowed : public Handle<T> {
  public:
    explicit Borrowed(abi::HandleIndex index) : Handle<T>(index) {}
    ~Borrowed() { this->release(); }
};

/// A handle whose object is destroyed with it.
template <typename T>
class Owned : public Handle<T> {
  public:
    Owned() = default;
    Owned(Handle<T>&& handle) : Handle<T>(std::move(handle)) {}  // NOLINT(google-explicit-constructor)
    Owned(Owned&&) noexcept = default;
    Owned& operator=(Owned&& other) noexcept {
        if (this != &other) {
            if (this->valid()) static_cast<void>(this->destroy());
            Handle<T>::operator=(std::move(other));
        }
        return *this;
    }
    ~Owned() {
        if (this->valid()) static_cast<void>(this->destroy());
    }
    /// Keeps the object alive and gives a plain handle.
    Handle<T> keep() { return Handle<T>(this->release()); }
};

}  // namespace pith
