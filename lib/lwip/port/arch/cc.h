/* SPDX-License-Identifier: MIT
 * lwIP's compiler and platform. Everything that is declared here is defined by servers/net/stack or lib/lwip. */
#pragma once

#define LWIP_NO_CTYPE_H 1
#define LWIP_RAND() pith_lwip_random()
#define LWIP_CHKSUM pith_lwip_checksum
#define LWIP_PLATFORM_DIAG(x) do { } while (0)
#define LWIP_PLATFORM_ASSERT(x) pith_lwip_broken(x)
#ifndef PITH_ASSERTS
#define LWIP_NOASSERT 1
#endif
#define BYTE_ORDER LITTLE_ENDIAN
#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)

#ifdef __cplusplus
extern "C" {
#endif
/* A random number that nobody can guess. */
unsigned pith_lwip_random(void);
/* The sum of RFC 1071 over `length` bytes, not inverted. */
unsigned short pith_lwip_checksum(const void* data, int length);
/* An invariant of lwIP's does not hold. */
void pith_lwip_broken(const char* text);
void* pith_lwip_allocate(__SIZE_TYPE__ size);
void pith_lwip_free(void* memory);
/* Zeroed memory for all pools (lib/lwip/pools.hpp), of which only what was needed before may be touched. */
void* pith_lwip_pools(void);
/* From now on these bytes of it may be. 0: they are not of it. */
int pith_lwip_need(void* memory, __SIZE_TYPE__ size);
#ifdef __cplusplus
}
#endif
