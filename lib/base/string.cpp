// SPDX-License-Identifier: MIT
// The C memory and string functions that compilers call, for kernel and components. By words, with `rep` on
// x86 where it is fewest instructions; small sizes by plain moves.
#include <stddef.h>
#include <stdint.h>

namespace {

/// At any address.
template <typename T>
struct [[gnu::packed, gnu::may_alias]] Unaligned {
    T value;
};
template <typename T>
[[gnu::always_inline]] inline T at(const unsigned char* from) {
    return reinterpret_cast<const Unaligned<T>*>(from)->value;
}
template <typename T>
[[gnu::always_inline]] inline void put(unsigned char* to, T value) {
    reinterpret_cast<Unaligned<T>*>(to)->value = value;
}
/// Copies the first and the last `kCount` pieces of `size` bytes: all of them, if there are not more than twice as many.
template <typename T, size_t kCount>
[[gnu::always_inline]] inline void copy_ends(unsigned char* to, const unsigned char* from, size_t size) {
    T first[kCount], last[kCount];
    for (size_t i = 0; i < kCount; i++) {
        first[i] = at<T>(from + i * sizeof(T));
        last[i] = at<T>(from + size - (i + 1) * sizeof(T));
    }
    for (size_t i = 0; i < kCount; i++) {
        put(to + i * sizeof(T), first[i]);
        put(to + size - (i + 1) * sizeof(T), last[i]);
    }
}

// GCC and clang may turn a byte loop into a call of the very function that it implements.
#define PITH_NO_IDIOM __attribute__((no_builtin))

}  // namespace

extern "C" {

/// Whatever is left at the end of a piece goes in moves that overlap.
PITH_NO_IDIOM void* memcpy(void* __restrict to, const void* __restrict from, size_t size) {
    auto* d = static_cast<unsigned char*>(to);
    const auto* s = static_cast<const unsigned char*>(from);
    if (size >= 128) {
        const uint64_t last = at<uint64_t>(s + size - 8);
        auto* const end = d + size - 8;
        size_t words = (size - 1) / 8;
        asm volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
        put(end, last);
        return to;
    }
    for (; size > 32; size -= 32, d += 32, s += 32) copy_ends<uint64_t, 2>(d, s, 32);
    if (size > 16) copy_ends<uint64_t, 2>(d, s, size);
    else if (size >= 8) copy_ends<uint64_t, 1>(d, s, size);
    else if (size >= 4) copy_ends<uint32_t, 1>(d, s, size);
    else if (size >= 2) copy_ends<uint16_t, 1>(d, s, size);
    else if (size == 1) *d = *s;
    return to;
}

PITH_NO_IDIOM void* memmove(void* to, const void* from, size_t size) {
    auto* d = static_cast<unsigned char*>(to);
    const auto* s = static_cast<const unsigned char*>(from);
    if (d == s || size == 0) return to;
    if (d < s || d >= s + size) {
        // Forwards by words is right also where they overlap: a word is read before it can be overwritten.
        for (; size >= 8; size -= 8, d += 8, s += 8) put(d, at<uint64_t>(s));
        for (; size > 0; size--) *d++ = *s++;
    } else {
        d += size;
        s += size;
        for (; size >= 8; size -= 8) {
            d -= 8;
            s -= 8;
            put(d, at<uint64_t>(s));
        }
        for (; size > 0; size--) *--d = *--s;
    }
    return to;
}

PITH_NO_IDIOM void* memset(void* to, int value, size_t size) {
    auto* d = static_cast<unsigned char*>(to);
    const uint64_t pattern = 0x0101'0101'0101'0101u * static_cast<unsigned char>(value);
    if (size >= 128) {
        size_t words = size / 8;
        size %= 8;
        asm volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
    }
    for (; size >= 8; size -= 8, d += 8) put<uint64_t>(d, pattern);
    for (; size > 0; size--) *d++ = static_cast<unsigned char>(value);
    return to;
}

PITH_NO_IDIOM int memcmp(const void* left, const void* right, size_t size) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    for (; size >= 8; size -= 8, a += 8, b += 8)
        if (at<uint64_t>(a) != at<uint64_t>(b)) break;
    for (; size > 0; size--, a++, b++)
        if (*a != *b) return *a < *b ? -1 : 1;
    return 0;
}

PITH_NO_IDIOM void* memchr(const void* where, int value, size_t size) {
    const auto* s = static_cast<const unsigned char*>(where);
    for (; size > 0; size--, s++)
        if (*s == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(s);
    return nullptr;
}

PITH_NO_IDIOM size_t strlen(const char* text) {
    size_t length = 0;
    while (text[length] != 0) length++;
    return length;
}

PITH_NO_IDIOM size_t strnlen(const char* text, size_t size) {
    size_t length = 0;
    while (length < size && text[length] != 0) length++;
    return length;
}

PITH_NO_IDIOM int strcmp(const char* a, const char* b) {
    for (; *a != 0 && *a == *b; a++, b++) {}
    return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}

PITH_NO_IDIOM int strncmp(const char* a, const char* b, size_t size) {
    for (; size > 0 && *a != 0 && *a == *b; a++, b++, size--) {}
    return size == 0 ? 0 : static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}

PITH_NO_IDIOM char* strchr(const char* text, int value) {
    for (;; text++) {
        if (*text == static_cast<char>(value)) return const_cast<char*>(text);
        if (*text == 0) return nullptr;
    }
}

}  // extern "C"
