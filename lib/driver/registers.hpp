// SPDX-License-Identifier: MIT
// Device registers as types. A register is a struct over its value with named fields; where it lives (memory
// or ports) is the block that it is read from:
//
//   struct LineStatus : Register<u8, 5> { using Ready = Field<0>; using Empty = Field<5>; };
//   IoBlock uart(0x3f8);
//   if (uart.read<LineStatus>().get<LineStatus::Ready>()) ...
//   uart.write(LineStatus{}.set<LineStatus::Ready>(1));
#pragma once

#include <type_traits>

#include "abi/types.hpp"

namespace pith {

/// Bits [Low, Low + Count) of a register.
template <unsigned Low, unsigned Count = 1>
struct Field {
    static constexpr unsigned kLow = Low;
    static constexpr unsigned kCount = Count;
};

/// Base of a register of `T` at `Offset` bytes in its block.
template <typename T, u64 Offset>
struct Register {
    static_assert(std::is_unsigned_v<T>);
    using Value = T;
    static constexpr u64 kOffset = Offset;
    T value = 0;
};

template <typename F, typename R>
constexpr typename R::Value get_field(const R& r) {
    return static_cast<typename R::Value>((r.value >> F::kLow) & ((u64{1} << F::kCount) - 1));
}
/// `r` with that field changed.
template <typename F, typename R>
constexpr R with_field(R r, typename R::Value value) {
    const u64 mask = ((u64{1} << F::kCount) - 1) << F::kLow;
    r.value = static_cast<typename R::Value>((r.value & ~mask) | (u64{value} << F::kLow & mask));
    return r;
}

inline u8 port_read8(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline u16 port_read16(u16 port) {
    u16 value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline u32 port_read32(u16 port) {
    u32 value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline void port_write8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
inline void port_write16(u16 port, u16 value) { asm volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
inline void port_write32(u16 port, u32 value) { asm volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }

/// Registers behind x86 ports. The ports are bound to the component's Space by its manifest.
class IoBlock {
  public:
    explicit IoBlock(u16 base) : base_(base) {}
    template <typename R>
    R read() const {
        R r;
        const u16 port = static_cast<u16>(base_ + R::kOffset);
        if constexpr (sizeof(r.value) == 1) r.value = port_read8(port);
        else if constexpr (sizeof(r.value) == 2) r.value = port_read16(port);
        else r.value = port_read32(port);
        return r;
    }
    template <typename R>
    void write(const R& r) const {
        const u16 port = static_cast<u16>(base_ + R::kOffset);
        if constexpr (sizeof(r.value) == 1) port_write8(port, r.value);
        else if constexpr (sizeof(r.value) == 2) port_write16(port, r.value);
        else port_write32(port, r.value);
    }

  private:
    u16 base_;
};

/// Registers in memory.
class MmioBlock {
  public:
    explicit MmioBlock(void* base) : base_(reinterpret_cast<u64>(base)) {}
    template <typename R>
    R read() const {
        R r;
        r.value = *reinterpret_cast<const volatile typename R::Value*>(base_ + R::kOffset);
        return r;
    }
    template <typename R>
    void write(const R& r) const {
        *reinterpret_cast<volatile typename R::Value*>(base_ + R::kOffset) = r.value;
    }

  private:
    u64 base_;
};

}  // namespace pith
