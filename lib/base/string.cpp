// SPDX-License-Identifier: MIT
// The C memory and string functions that compilers call, for kernel and components. By words, with `rep` on
// x86 where it is fewest instructions; small sizes by plain moves.
#include <stddef.h>
#include <stdint.h>

namespace {

/// Eight bytes at any address.
struct [[gnu::packed, gnu::may_alias]] Word {
    uint64_t value;
};

// GCC and clang may turn a byte loop into a call of the very function that it implements.
#define PITH_NO_IDIOM __attribute__((no_builtin))

}  // namespace

extern "C" {

PITH_NO_IDIOM void* memcpy(void* __restrict to, const void* __restrict from, size_t size) {
    auto* d = static_cast<unsigned char*>(to);
    const auto* s = static_cast<const unsigned char*>(from);
    if (size >= 128) {
        size_t words = size / 8;
        size %= 8;
        asm volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
    }
    for (; size >= 8; size -= 8, d += 8, s += 8)
        reinterpret_cast<Word*>(d)->value = reinterpret_cast<const Word*>(s)->value;
    for (; size > 0; size--) *d++ = *s++;
    return to;
}

PITH_NO_IDIOM void* memmove(void* to, const void* from, size_t size) {
    auto* d = static_cast<unsigned char*>(to);
    const auto* s = static_cast<const unsigned char*>(from);
    if (d == s || size == 0) return to;
    if (d < s || d >= s + size) {
        // Forwards by words is right also where they overlap: a word is read before it can be overwritten.
        for (; size >= 8; size -= 8, d += 8, s += 8)
            reinterpret_cast<Word*>(d)->value = reinterpret_cast<const Word*>(s)->value;
        for (; size > 0; size--) *d++ = *s++;
    } else {
        d += size;
        s += size;
        for (; size >= 8; size -= 8) {
            d -= 8;
            s -= 8;
            reinterpret_cast<Word*>(d)->value = reinterpret_cast<const Word*>(s)->value;
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
    for (; size >= 8; size -= 8, d += 8) reinterpret_cast<Word*>(d)->value = pattern;
    for (; size > 0; size--) *d++ = static_cast<unsigned char>(value);
    return to;
}

PITH_NO_IDIOM int memcmp(const void* left, const void* right, size_t size) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    for (; size >= 8; size -= 8, a += 8, b += 8)
        if (reinterpret_cast<const Word*>(a)->value != reinterpret_cast<const Word*>(b)->value) break;
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
