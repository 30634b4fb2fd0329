// SPDX-License-Identifier: MIT
// The compiled form of a system, bundle entry "system": what the host tool makes of systems/NAME.toml and the
// manifests (their schema: docs/components.md), and the supervisor reads. A header, tables of fixed-size
// records, and a string area. Records name each other by index and strings by offset. `Composition::parse`
// checks every one of them once; after that the accessors cannot fail.
#pragma once

#include <cstring>
#include <span>
#include <string_view>

#include "lib/base/result.hpp"
#include "protocol/ipc.hpp"

namespace pith {

inline constexpr u64 kCompositionMagic = 0x3130'4d4f'4350'0001;
inline constexpr u32 kMaxComponents = 64;

/// A string: offset in the string area, length without terminator (there is none).
struct CompositionString {
    u32 offset;
    u32 length;
};

struct CompositionTable {
    u32 offset;  ///< bytes from the start, 8 aligned
    u32 count;
};

struct CompositionHeader {
    u64 magic;
    u64 size;  ///< bytes of the whole
    CompositionString name;
    CompositionTable components;  ///< CompositionComponent, in starting order
    CompositionTable provides;    ///< CompositionString: protocol names
    CompositionTable needs;       ///< CompositionNeed
    CompositionTable devices;     ///< CompositionDevice
    CompositionTable parameters;  ///< CompositionParameter
    CompositionTable strings;     ///< count = bytes
};

/// A part of a table that belongs to one component.
struct CompositionRange {
    u32 first;
    u32 count;
};

enum class RestartPolicy : u32 {
    always = 0,
    never = 1,
    essential = 2,  ///< always; but when it would be held down, the machine ends
};

/// Bits of CompositionComponent::grants: capabilities that are not protocols.
enum class CompositionGrant : u32 {
    bundle = 1,          ///< "bundle": Memory, read and execute
    machine_info = 2,    ///< "machine": Machine with right info
    shutdown = 4,        ///< may call Process::Shutdown and Control (over its route to "process")
    jit = 8,             ///< its Space may hold writable and executable mappings
    pool_rest = 16,      ///< memory_pages is a minimum: it gets what is left
    debug_console = 32,  ///< "machine" has right debug too
    budget_manage = 64,  ///< its "budget" capability may be a parent of others (right manage)
    devices = 128,       ///< "machine" has right devices, and the ACPI root pointer as its value
    inject = 256,        ///< may call Process::Reach and Control, on all others that are started again
};

struct CompositionComponent {
    CompositionString name;
    CompositionRange provides;
    CompositionRange needs;
    CompositionRange devices;
    CompositionRange parameters;
    u32 memory_pages;     ///< run Pool
    u32 keep_pages;       ///< keep Pool; 0: none
    u32 preserved_pages;  ///< Memory in the keep Pool; below keep_pages
    u32 stack_pages;      ///< in the run Pool
    u32 slots;            ///< CapTable
    u32 grants;           ///< CompositionGrant
    u32 restart;          ///< RestartPolicy
    u32 hold_after;       ///< deaths within hold_window that have it held down; 0: never
    u64 hold_window;      ///< nanoseconds
    u64 backoff;          ///< nanoseconds before the first restart; doubles with each
    u64 ceiling;          ///< greatest back-off
    u64 heartbeat;        ///< nanoseconds; 0: none
    u64 capacity;         ///< Budget
    u64 period;
    u64 cpus;        ///< bit n: CPU n
    u32 priority;    ///< 0..255, also the Budget's ceiling
    u32 kept_slots;  ///< of a CapTable in the keep Pool; 0: none
};
static_assert(sizeof(CompositionComponent) == 136);

/// A protocol that a component uses, and who supplies it.
struct CompositionNeed {
    CompositionString protocol;  ///< which
    CompositionString as;        ///< its name in the StartInfo (the protocol's own, if nothing else was said)
    u32 supplier;  ///< component index; kSupplierSupervisor; kSupplierNone: optional and unrouted
    u32 label;     ///< of the badge; 0..0xffff
};
static_assert(sizeof(CompositionNeed) == 24);
inline constexpr u32 kSupplierSupervisor = 0xffff'ffff;
inline constexpr u32 kSupplierNone = 0xffff'fffe;

/// pci: had from the component that provides "device", which the supervisor tells of it.
enum class DeviceKind : u32 { interrupt = 0, ports = 1, memory = 2, pci = 3 };

/// In a vendor's place: every device of a class (class << 16 | subclass << 8 | interface), but those that are named themselves.
inline constexpr u32 kAnyVendor = 0xffff;

struct CompositionDevice {
    CompositionString name;
    u32 kind;   ///< DeviceKind
    u32 flags;  ///< interrupt: bit 0 level, bit 1 active low; memory: abi::kDevice...
    u64 base;   ///< line; first port; physical address; vendor | device << 16, or kAnyVendor | class << 16
    u64 size;   ///< 1; ports; bytes; bytes of DMA memory
};
static_assert(sizeof(CompositionDevice) == 32);

struct CompositionParameter {
    CompositionString key;
    CompositionString value;
};

/// A checked view of a compiled system.
class Composition {
  public:
    Composition() = default;
    /// Checks all of it. Error::protocol: malformed.
    static Result<Composition> parse(std::span<const u8> bytes);

    std::string_view name() const { return string(header().name); }
    std::span<const CompositionComponent> components() const {
        return table<CompositionComponent>(header().components);
    }
    std::span<const CompositionString> provides(const CompositionComponent& c) const {
        return table<CompositionString>(header().provides).subspan(c.provides.first, c.provides.count);
    }
    std::span<const CompositionNeed> needs(const CompositionComponent& c) const {
        return table<CompositionNeed>(header().needs).subspan(c.needs.first, c.needs.count);
    }
    std::span<const CompositionDevice> devices(const CompositionComponent& c) const {
        return table<CompositionDevice>(header().devices).subspan(c.devices.first, c.devices.count);
    }
    std::span<const CompositionParameter> parameters(const CompositionComponent& c) const {
        return table<CompositionParameter>(header().parameters)
            .subspan(c.parameters.first, c.parameters.count);
    }
    std::string_view string(CompositionString s) const {
        return {reinterpret_cast<const char*>(bytes_.data()) + header().strings.offset + s.offset, s.length};
    }

  private:
    explicit Composition(std::span<const u8> bytes) : bytes_(bytes) {}
    const CompositionHeader& header() const {
        return *reinterpret_cast<const CompositionHeader*>(bytes_.data());
    }
    template <typename T>
    std::span<const T> table(CompositionTable t) const {
        return {reinterpret_cast<const T*>(bytes_.data() + t.offset), t.count};
    }
    bool table_valid(CompositionTable t, usize record) const {
        return t.offset % 8 == 0 && t.offset <= bytes_.size() &&
               t.count <= (bytes_.size() - t.offset) / record;
    }
    bool string_valid(CompositionString s, usize longest) const {
        return s.length <= longest && s.offset <= header().strings.count &&
               s.length <= header().strings.count - s.offset;
    }
    static bool range_valid(CompositionRange r, CompositionTable t) {
        return r.first <= t.count && r.count <= t.count - r.first;
    }
    bool component_valid(const CompositionComponent& c) const;
    std::span<const u8> bytes_;
};

inline bool Composition::component_valid(const CompositionComponent& c) const {
    const CompositionHeader& h = header();
    if (!string_valid(c.name, 31) || c.name.length == 0 || !range_valid(c.provides, h.provides) ||
        !range_valid(c.needs, h.needs) || !range_valid(c.devices, h.devices) ||
        !range_valid(c.parameters, h.parameters))
        return false;
    if (c.memory_pages == 0 || (c.preserved_pages != 0 && c.preserved_pages >= c.keep_pages) ||
        c.stack_pages == 0 || c.stack_pages > 200 || c.slots < 32 || c.slots > abi::kMaxSlots ||
        c.kept_slots > abi::kMaxSlots || (c.kept_slots != 0 && c.keep_pages == 0) ||
        c.restart > static_cast<u32>(RestartPolicy::essential) || c.priority > 255 || c.capacity > c.period ||
        c.capacity == 0 || c.cpus == 0)
        return false;
    return true;
}

inline Result<Composition> Composition::parse(std::span<const u8> bytes) {
    Composition result(bytes);
    if (bytes.size() < sizeof(CompositionHeader)) return Error::protocol;
    const CompositionHeader& h = result.header();
    if (h.magic != kCompositionMagic || h.size > bytes.size() ||
        !result.table_valid(h.components, sizeof(CompositionComponent)) ||
        h.components.count > kMaxComponents || !result.table_valid(h.provides, sizeof(CompositionString)) ||
        !result.table_valid(h.needs, sizeof(CompositionNeed)) ||
        !result.table_valid(h.devices, sizeof(CompositionDevice)) ||
        !result.table_valid(h.parameters, sizeof(CompositionParameter)) ||
        !result.table_valid(h.strings, 1) || !result.string_valid(h.name, 31))
        return Error::protocol;
    for (const auto& c : result.components())
        if (!result.component_valid(c)) return Error::protocol;
    for (const auto& s : result.table<CompositionString>(h.provides))
        if (!result.string_valid(s, 31)) return Error::protocol;
    for (const auto& n : result.table<CompositionNeed>(h.needs))
        if (!result.string_valid(n.protocol, 31) || !result.string_valid(n.as, 31) || n.label > 0xffff ||
            (n.supplier < kSupplierNone && n.supplier >= h.components.count))
            return Error::protocol;
    for (const auto& d : result.table<CompositionDevice>(h.devices))
        if (!result.string_valid(d.name, 23) || d.kind > static_cast<u32>(DeviceKind::pci))
            return Error::protocol;
    for (const auto& p : result.table<CompositionParameter>(h.parameters))
        if (!result.string_valid(p.key, 63) || !result.string_valid(p.value, 1024)) return Error::protocol;
    return result;
}

}  // namespace pith
