/* SPDX-License-Identifier: MIT */
/* What e2fsprogs' configure script would find out, for the host and for components alike: little-endian 64-bit machines with
 * a C library's headers, and neither files nor devices. */
#ifndef PITH_E2FSPROGS_CONFIG_H
#define PITH_E2FSPROGS_CONFIG_H

#define HAVE_ERRNO_H 1
#define HAVE_INTTYPES_H 1
#define HAVE_STDINT_H 1
#define HAVE_STDLIB_H 1
#define HAVE_STRINGS_H 1
#define HAVE_STRING_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H 1
#define SIZEOF_INT 4
#define SIZEOF_LONG 8
#define SIZEOF_LONG_LONG 8
#define SIZEOF_TIME_T 8
#define SIZEOF_OFF_T 8
#define OMIT_COM_ERR 1

#endif
