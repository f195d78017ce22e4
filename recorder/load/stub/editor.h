/* SPDX-License-Identifier: MIT */
/* What bcc's dialect of C looks like to an editor: not compiled into anything (recorder/load/editor.py). */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#define NULL ((void *)0)
#define PAGE_SIZE 4096

#define BPF_RB_NO_WAKEUP 1
#define BPF_RB_FORCE_WAKEUP 2
#define BPF_F_USER_STACK 256

struct bpf_raw_tracepoint_args {
	u64 args[12];
};

u64 bpf_get_current_pid_tgid(void);
u64 bpf_get_current_uid_gid(void);
u64 bpf_get_current_task(void);
u64 bpf_ktime_get_boot_ns(void);
u32 bpf_get_smp_processor_id(void);
u32 bpf_log2l(unsigned long);
long bpf_get_stack(void *ctx, void *to, u32 size, u64 flags);
long bpf_get_current_comm(void *to, u32 size);
long bpf_probe_read_kernel(void *to, u32 size, const void *from);
long bpf_probe_read_kernel_str(void *to, u32 size, const void *from);
long bpf_probe_read_user(void *to, u32 size, const void *from);
long bpf_probe_read_user_str(void *to, u32 size, const void *from);

#define BPF_TABLE(type, key_type, value_type, name, entries)                                                           \
	struct {                                                                                                       \
		value_type *(*lookup)(const void *key);                                                                \
		int (*insert)(const void *key, const value_type *value);                                               \
		int (*update)(const void *key, const value_type *value);                                               \
		int (*delete)(const void *key);                                                                        \
	} name
#define BPF_HASH(name, key_type, value_type, entries) BPF_TABLE("hash", key_type, value_type, name, entries)
#define BPF_ARRAY(name, value_type, entries) BPF_TABLE("array", u32, value_type, name, entries)
#define BPF_PERCPU_ARRAY(name, value_type, entries) BPF_TABLE("percpu_array", u32, value_type, name, entries)
#define BPF_PROG_ARRAY(name, entries)                                                                                  \
	struct {                                                                                                       \
		void (*call)(void *ctx, u32 place);                                                                    \
	} name
#define BPF_CGROUP_ARRAY(name, entries)                                                                                \
	struct {                                                                                                       \
		int (*check_current_task)(u32 place);                                                                  \
	} name
#define BPF_RINGBUF_OUTPUT(name, pages)                                                                                \
	struct {                                                                                                       \
		void *(*ringbuf_reserve)(u64 size);                                                                    \
		void (*ringbuf_submit)(void *record, u64 flags);                                                       \
		void (*ringbuf_discard)(void *record, u64 flags);                                                      \
	} name
