// SPDX-License-Identifier: MIT
// What a component finds at its start, and where: one layout for all components, root included.
//
//   0x0040'0000  program
//   0x1000'0000  StartInfo (root: BootInfo, from which the start code makes a StartInfo), one page, read only
//   0x1000'1000  message buffer of the first thread
//   0x1000'2000  InfoPage (clock), read only
//   0x1010'0000  top of the first stack, which ends at an unmapped page; from here on upwards the heap
//   0x4000'0000  mappings (lib/os/mapping.hpp)
#pragma once

#include <span>
#include <string_view>

#include "abi/boot.hpp"
#include "lib/os/handle.hpp"

namespace pith {

inline constexpr u64 kStartInfo = abi::kRootBootInfo;
inline constexpr u64 kFirstBuffer = abi::kRootBuffer;
inline constexpr u64 kInfoPage = 0x1000'2000;
inline constexpr u64 kStackTop = abi::kRootStackTop;
inline constexpr u64 kHeapBase = abi::kRootStackTop;
inline constexpr u64 kHeapEnd = 0x2000'0000;
inline constexpr u64 kMappingBase = 0x4000'0000;
inline constexpr u64 kMappingEnd = 0x7000'0000'0000;
inline constexpr u64 kStartMagic = 0x5452'4154'5350'0001;

/// A capability that a component starts with. Names:
///   pool (run Pool), space, captable, thread, budget   its own objects
///   endpoint    its service Endpoint: receive, mint, copy, manage no
///   signal      Signal bound to its first thread: wait, notify, copy
///   supervisor  Endpoint to its parent (protocol/process.hpp); pong: Signal for the heartbeat's answer
///   keep        Pool that outlives it; preserved: Memory in it (value: bytes), zero at the first start
///   kept        CapTable in it (value: slots): for capabilities to what was made in `keep`
///   a protocol's name ("log", "console", ...): Endpoint with send and copy
///   irq.X, ports.X, memory.X   devices; value: interrupt line; first port << 32 | count; physical address
///   bundle, info, machine      where the manifest asks for them (bundle: value = bytes; machine with
///                              right devices: physical address of the ACPI root pointer)
struct NamedHandle {
    char name[32];
    abi::HandleIndex handle;
    u32 type;   ///< abi::ObjectType
    u64 value;  ///< what it covers, by type; see above
};
static_assert(sizeof(NamedHandle) == 48);

inline constexpr usize kMaxStartHandles = 48;

struct StartInfo {
    u64 magic;
    char name[32];  ///< the component's
    u32 component;  ///< its number in the composition; clients' badges carry it
    u32 handle_count;
    u64 generation;   ///< starts before this one
    i64 wall_clock;   ///< nanoseconds since 1970 (UTC) when the clock showed 0
    u64 memory_size;  ///< bytes of usable RAM in the machine
    u32 cpus;
    u32 flags;  ///< kStart...
    NamedHandle handles[kMaxStartHandles];
    u32 parameters_size;
    u32 reserved;
    char parameters[1600];  ///< "key=value\0key=value\0"
};
static_assert(sizeof(StartInfo) <= abi::kPageSize);

inline constexpr u32 kStartClockSkips = 1;  ///< the clock skips idle time (--icount): lib/os/patience.hpp
inline constexpr u32
    kStartTraced = 2;  ///< events of components are wanted in the kernel's trace (./pith trace)

/// The StartInfo of this component.
const StartInfo& start_info();

/// The entry of that name; nullptr: none.
const NamedHandle* find_start_handle(std::string_view name);

/// Takes the capability of that name. Who asks again gets a copy, as long as the first is held. An empty
/// handle: there is none, or its type is another.
template <typename T>
Handle<T> take_start_handle(std::string_view name);

/// A parameter's value; empty: none.
std::string_view start_parameter(std::string_view key);
/// One that is a decimal number; 0: none. Anything else ends the component.
u64 start_number(std::string_view key);

/// Slots of the component's own objects: handles that are never deleted.
const Handle<Pool>& own_pool();
const Handle<Space>& own_space();
const Handle<CapTable>& own_captable();
const Handle<Thread>& own_thread();
const Handle<Budget>& own_budget();

namespace detail {
template <typename T>
inline constexpr abi::ObjectType kTypeOf = abi::ObjectType::none;
template <>
inline constexpr abi::ObjectType kTypeOf<Pool> = abi::ObjectType::pool;
template <>
inline constexpr abi::ObjectType kTypeOf<Memory> = abi::ObjectType::memory;
template <>
inline constexpr abi::ObjectType kTypeOf<Space> = abi::ObjectType::space;
template <>
inline constexpr abi::ObjectType kTypeOf<CapTable> = abi::ObjectType::captable;
template <>
inline constexpr abi::ObjectType kTypeOf<Thread> = abi::ObjectType::thread;
template <>
inline constexpr abi::ObjectType kTypeOf<Budget> = abi::ObjectType::budget;
template <>
inline constexpr abi::ObjectType kTypeOf<Endpoint> = abi::ObjectType::endpoint;
template <>
inline constexpr abi::ObjectType kTypeOf<Reply> = abi::ObjectType::reply;
template <>
inline constexpr abi::ObjectType kTypeOf<Signal> = abi::ObjectType::signal;
template <>
inline constexpr abi::ObjectType kTypeOf<Interrupt> = abi::ObjectType::interrupt;
template <>
inline constexpr abi::ObjectType kTypeOf<IoPorts> = abi::ObjectType::io_ports;
template <>
inline constexpr abi::ObjectType kTypeOf<Machine> = abi::ObjectType::machine;
abi::HandleIndex take_start_slot(std::string_view name, abi::ObjectType type);
}  // namespace detail

template <typename T>
Handle<T> take_start_handle(std::string_view name) {
    return Handle<T>(detail::take_start_slot(name, detail::kTypeOf<T>));
}

}  // namespace pith
