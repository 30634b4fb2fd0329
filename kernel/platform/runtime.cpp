// SPDX-License-Identifier: MIT
// What compiled code expects of a C library: memory functions by whole words (a byte-wise `rep` is slow under
// emulation), and the ends of the stack protector and of libc++'s checks. Built with -fno-builtin, so that no loop
// here becomes a call of itself.
#include <stddef.h>
#include <stdint.h>

#include "kernel/core/entry.hpp"

extern "C" {

void* memcpy(void* __restrict to, const void* __restrict from, size_t size) {
    void* result = to;
    size_t words = size / 8, rest = size % 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
    auto* t = static_cast<unsigned char*>(to);
    const auto* f = static_cast<const unsigned char*>(from);
    while (rest-- > 0) *t++ = *f++;
    return result;
}

void* memset(void* to, int value, size_t size) {
    void* result = to;
    size_t words = size / 8, rest = size % 8;
    uint64_t pattern = uint64_t{0x0101010101010101} * static_cast<unsigned char>(value);
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    auto* t = static_cast<unsigned char*>(to);
    while (rest-- > 0) *t++ = static_cast<unsigned char>(value);
    return result;
}

void* memmove(void* to, const void* from, size_t size) {
    auto* t = static_cast<unsigned char*>(to);
    const auto* f = static_cast<const unsigned char*>(from);
    if (t <= f || t >= f + size) return memcpy(to, from, size);  // word by word upwards is right for these
    while (size-- > 0) t[size] = f[size];
    return to;
}

int memcmp(const void* left, const void* right, size_t size) {
    const auto* l = static_cast<const unsigned char*>(left);
    const auto* r = static_cast<const unsigned char*>(right);
    for (; size-- > 0; l++, r++)
        if (*l != *r) return *l < *r ? -1 : 1;
    return 0;
}

size_t strlen(const char* text) {
    size_t length = 0;
    while (text[length] != 0) length++;
    return length;
}

size_t strnlen(const char* text, size_t limit) {
    size_t length = 0;
    while (length < limit && text[length] != 0) length++;
    return length;
}

[[noreturn]] void __stack_chk_fail() { pith::core::panic("Stack overrun found by its canary"); }
[[noreturn]] void __cxa_pure_virtual() { pith::core::panic("Pure virtual function called"); }

}  // extern "C"

namespace std {
inline namespace __1 {
[[noreturn]] void __libcpp_verbose_abort(const char* format, ...) { pith::core::panic(format); }
}  // namespace __1
}  // namespace std
