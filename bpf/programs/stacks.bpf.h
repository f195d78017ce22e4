// SPDX-License-Identifier: MIT
// Stacks. Each is kept once per epoch, by a hash of its addresses; what happens with it is counted elsewhere, so a stack that
// finds no room changes no count.
//
// The kernel's own map of stacks is not used: it has one place for each hash, so in a table half full every second new
// stack finds its place taken.

#if defined(RECORDS_samples) || defined(RECORDS_off_cpu)
BPF_HASH(stacks_odd, u64, struct kept_stack, STACK_ENTRIES);
BPF_HASH(stacks_even, u64, struct kept_stack, STACK_ENTRIES);
BPF_PERCPU_ARRAY(stack_room, struct kept_stack, 1);  // not on the stack, which is small

#define HASH_FACTOR 0x9E3779B97F4A7C15ULL

INLINE u64 hash_of(struct kept_stack *s)
{
	u64 hash = s->depth;
	for (u32 i = 0; i < STACK_DEPTH; i++) {
		asm volatile("" : "+r"(i));  // otherwise clang unrolls the loop, and the verifier loses the bound of i
		if (i >= s->depth)
			break;
		hash = (hash ^ s->at[i]) * HASH_FACTOR;
		hash ^= hash >> 29;
	}
	return hash > STACK_NOT_TAKEN ? hash : ~hash;
}

// Keeps a stack for this epoch, unless it is there. Returns what it is called in keys.
INLINE u64 keep_stack(struct control *c, struct kept_stack *s)
{
	u64 hash = hash_of(s);
	u32 odd = c->epoch & 1;
	if (odd ? stacks_odd.lookup(&hash) : stacks_even.lookup(&hash))
		return hash;
	int failed = odd ? stacks_odd.insert(&hash, s) : stacks_even.insert(&hash, s);
	if (!failed || failed == -EEXIST)  // another CPU was first
		return hash;
	lose(LOSS_stack_map);
	return STACK_NO_ROOM;
}

// The stack of the current thread. Of a thread that runs in user mode there is none in the kernel.
INLINE u64 take_stack(void *ctx, struct control *c, struct who *who, u64 flags)
{
	int zero = 0;
	struct kept_stack *s = stack_room.lookup(&zero);
	if (!s)
		return STACK_NONE;
	long bytes = bpf_get_stack(ctx, s->at, sizeof(s->at), flags);
	if (bytes > 0) {
		s->start = who->start;
		s->pid = who->pid;
		s->depth = (u64)bytes / sizeof(u64);
		return keep_stack(c, s);
	}
	if (!(flags & BPF_F_USER_STACK))
		return STACK_NONE;
	lose(LOSS_stack_unreadable);
	return STACK_UNREADABLE;
}

struct stacks {
	u64 user, kernel;
};

INLINE struct stacks take_stacks(void *ctx, struct control *c, struct who *who)
{
	struct stacks s = {};
	void *task = CURRENT_TASK();
	u32 flags = 0;
	TREAD(flags, task, task_struct, flags);
	if (!(flags & PF_KTHREAD))
		s.user = take_stack(ctx, c, who, BPF_F_USER_STACK);
	s.kernel = take_stack(ctx, c, who, 0);
	return s;
}
#endif

#ifdef RECORDS_off_cpu
// The stacks with which the thread that leaves this CPU is about to wait.
BPF_PERCPU_ARRAY(leaving_with, struct stacks, 1);

INLINE void note_stacks(void *ctx, struct control *c, struct cpu_state *cpu, int waits)
{
	int zero = 0;
	struct stacks *s = leaving_with.lookup(&zero), none = {};
	u64 me = bpf_get_current_pid_tgid();
	struct who who;
	if (!s)
		return;
	*s = none;
	if (waits && me >> 32 && identify(c, cpu, me, &who))
		*s = take_stacks(ctx, c, &who);
}

INLINE struct stacks noted_stacks(void)
{
	int zero = 0;
	struct stacks *s = leaving_with.lookup(&zero), none = {};
	return s ? *s : none;
}

// Charges a wait of the current thread that has ended.
INLINE void charge_stacks(struct control *c, struct who *who, u32 waited_for, struct stacks *s, u64 waited)
{
	struct off_cpu_key key = {.start = who->start,
	                          .user_stack = s->user,
	                          .kernel_stack = s->kernel ?: STACK_NOT_TAKEN,  // every wait is in the kernel
	                          .pid = who->pid,
	                          .tid = who->tid,
	                          .waited_for = waited_for};
	struct off_cpu_val *v = off_cpu_cell(c, &key);
	if (!v)
		return;
	ADD(v->waits, 1);
	ADD(v->waited_ns, waited);
	if (waited > v->max_waited_ns)
		v->max_waited_ns = waited;
	if (!v->thread[0])
		bpf_get_current_comm(&v->thread, sizeof(v->thread));
}
#endif
