/* SPDX-License-Identifier: MIT
 * <string.h> of components. They are built with -ffreestanding, where memcpy is a function like any other: so copying eight bytes would be a call. Here
 * it is the compiler's own again: a size that it knows becomes a few moves. Likewise memmove, memset, memcmp. By other names, as clang gives up an inline
 * function of the name itself for one that calls itself. */
#pragma once

#include_next <string.h>

#ifdef __cplusplus
extern "C" {
#endif
#define PITH_BUILTIN static __inline__ __attribute__((__always_inline__, __unused__))
PITH_BUILTIN void* pith_memcpy(void* __restrict to, const void* __restrict from, size_t size) {
    return __builtin_memcpy(to, from, size);
}
PITH_BUILTIN void* pith_memmove(void* to, const void* from, size_t size) { return __builtin_memmove(to, from, size); }
PITH_BUILTIN void* pith_memset(void* to, int value, size_t size) { return __builtin_memset(to, value, size); }
PITH_BUILTIN int pith_memcmp(const void* a, const void* b, size_t size) { return __builtin_memcmp(a, b, size); }
#undef PITH_BUILTIN
#define memcpy pith_memcpy
#define memmove pith_memmove
#define memset pith_memset
#define memcmp pith_memcmp
#ifdef __cplusplus
}
#endif
