/* SPDX-License-Identifier: BSD-2-Clause */
/* SPDX-style names for messages: the memory part of SPDK's spdk/log.h on this library. Found as "spdk/log.h" with
 * -I$includedir/memkind/compat; not for programs that have SPDK itself. */
#ifndef MEMKIND_COMPAT_SPDK_LOG_H
#define MEMKIND_COMPAT_SPDK_LOG_H

#ifdef SPDK_LOG_H
#error "memkind/compat/spdk/log.h: SPDK's own header is included already"
#endif

#include <stdio.h>

/* A line on standard error, with the place it comes from. */
#define SPDK_ERRLOG(...) (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__))
#define SPDK_WARNLOG(...) SPDK_ERRLOG(__VA_ARGS__)
#define SPDK_NOTICELOG(...) SPDK_ERRLOG(__VA_ARGS__)
/* Only with -DSPDK_LOG_INFO; `component` is a string or a name. */
#ifdef SPDK_LOG_INFO
#define SPDK_INFOLOG(component, ...) SPDK_ERRLOG(__VA_ARGS__)
#else
#define SPDK_INFOLOG(component, ...) ((void)sizeof(fprintf(stderr, __VA_ARGS__)))
#endif
#define SPDK_DEBUGLOG(component, ...) SPDK_INFOLOG(component, __VA_ARGS__)
/* Components need no registration. */
#define SPDK_LOG_REGISTER_COMPONENT(component)

#endif
