/* SPDX-License-Identifier: BSD-2-Clause */
/* For programs that know libautohbw.so: see autohbw(7). Link with -lautohbw. */
#ifndef AUTOHBW_API_H
#define AUTOHBW_API_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Lets the library put blocks into high-bandwidth memory again; so it begins.
 *
 * \note MT-safe; holds for all threads, from their next allocation on
 * \note STANDARD API; see autohbw(7)
 */
void enableAutoHBW(void);

/**
 * Lets the library leave every block in ordinary memory. Blocks that are elsewhere
 * stay there until they are resized.
 *
 * \note MT-safe; holds for all threads, from their next allocation on
 * \note STANDARD API; see autohbw(7)
 */
void disableAutoHBW(void);

#ifdef __cplusplus
}
#endif

#endif
