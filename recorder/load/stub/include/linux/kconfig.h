/* SPDX-License-Identifier: MIT
 *
 * Stands in for the kernel headers that bcc wants. bcc includes this file before everything else; it and the empty
 * files beside it are all that bcc reads, so no kernel headers need be installed. It holds the types and macros that
 * bcc's helpers.h and our programs use; kernel structs come from BTF.
 */
#ifndef SYSMON_KCONFIG_H
#define SYSMON_KCONFIG_H

#define CONFIG_BPF_SYSCALL 1

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u8 u8, uint8_t;
typedef __u16 u16, uint16_t;
typedef __u32 u32, uint32_t;
typedef __u64 u64, uint64_t;
typedef __s8 s8, int8_t;
typedef __s16 s16, int16_t;
typedef __s32 s32, int32_t;
typedef __s64 s64, int64_t;
typedef __u16 __le16, __be16, __sum16;
typedef __u32 __le32, __be32, __wsum;
typedef __u64 __le64, __be64;
typedef __u64 __attribute__((aligned(8))) __aligned_u64;
typedef _Bool bool;
typedef __SIZE_TYPE__ size_t;
typedef long ssize_t;
typedef int pid_t;
typedef unsigned int uid_t, gid_t, dev_t;
typedef unsigned long uintptr_t;
enum { false = 0, true = 1 };

#ifndef NULL
#define NULL ((void *)0)
#endif

#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#ifndef LINUX_VERSION_CODE
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 8, 0)
#endif
#ifndef roundup_pow_of_two
#define roundup_pow_of_two(n) ((n) <= 1 ? 1UL : 1UL << (64 - __builtin_clzl((n) - 1UL)))
#endif

#endif
