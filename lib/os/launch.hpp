// SPDX-License-Identifier: MIT
// Starting a component: what root does for the supervisor and the supervisor for all others. Everything is
// made from the run Pool, so destroying that takes all of it back. A failed launch leaves what it made in the
// run Pool: destroy it.
#pragma once

#include "lib/os/bundle.hpp"
#include "lib/os/start_info.hpp"

namespace pith {

/// A capability for the StartInfo.
struct Grant {
    std::string_view name;
    abi::HandleIndex source;  ///< in the launcher's table; kNoHandle: `slot` is filled already
    abi::RightsBits rights;
    u64 badge;  ///< to mint with; 0: plain copy
    u64 value;
    abi::ObjectType type;
    abi::HandleIndex slot = 0;  ///< out: where it is in the component's table
};

template <typename T>
Grant make_grant(std::string_view name, const HandleBase<T>& source, abi::RightsBits mask = abi::kAllRights,
                 u64 badge = 0, u64 value = 0) {
    return {name, source.index(), mask, badge, value, detail::kTypeOf<T>, 0};
}

struct Parameter {
    std::string_view key;
    std::string_view value;
};

/// What is started, and with what.
struct LaunchPlan {
    std::string_view name;
    BundleFile image;                 ///< the ELF file, and where it is in `bundle`
    const Handle<Memory>* bundle;     ///< rights read, execute, copy
    const Handle<Memory>* info_page;  ///< right read
    const Handle<Pool>* run_pool;
    const Handle<CapTable>* captable;     ///< an existing one; nullptr: a new one with `slots`
    const Handle<Budget>* parent_budget;  ///< right manage
    abi::HandleIndex fault_endpoint;      ///< right send
    u64 fault_badge;
    u32 slots;
    u32 stack_pages;
    u32 component;
    u64 generation;
    bool jit;
    bool budget_manage;
    u8 priority;
    u16 cpu;
    abi::BudgetParameters budget;
    std::span<Grant> grants;
    std::span<const Parameter> parameters;
};

/// A component that runs: the launcher's capabilities to what it will need of it.
struct Launched {
    Handle<Thread> thread;
    Handle<Signal> signal;  ///< bound to the thread (notify)
    Handle<Space> space;    ///< right manage: for ports
    Handle<Memory>
        memory;  ///< StartInfo, message buffer (with the LifeRecord behind it), stack, data; a page, a page, ...
};

/// Builds it, without starting it yet: `ports_bind` comes between.
Result<Launched> prepare_component(const LaunchPlan& plan, u64& entry);
/// Starts the first thread.
Result<> start_component(const Launched& launched, u64 entry);

}  // namespace pith
