/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether this build carries a sanitizer's runtime, in gcc's and clang's terms: the arena poisons
 * what it forgets, and the seccomp filter stays off.
 */
#ifndef GATEPAIR_COMMON_SANITIZER_H
#define GATEPAIR_COMMON_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__)
#define GATEPAIR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GATEPAIR_ASAN 1
#endif
#endif

#ifndef GATEPAIR_ASAN
#define GATEPAIR_ASAN 0
#endif

#endif
