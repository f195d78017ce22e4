// SPDX-License-Identifier: MIT
// What all programs share: whether to record, whose row it is, what was lost.

// clang-format off: it would put spaces around the slash, and the kernel needs this licence string exactly
#define BPF_LICENSE Dual MIT/GPL
// clang-format on

#define EPERM 1
#define EACCES 13
#define EFAULT 14
#define EEXIST 17
#define ENAMETOOLONG 36
#define ENOSYS 38

#define INLINE static inline __attribute__((always_inline))

// Since Linux 7.0 a program may be preempted between any two of its instructions, though it stays on its CPU ("tracing:
// Guard __DECLARE_TRACE() use of __DO_TRACE_CALL() with SRCU-fast"). Then
// - other threads add to the same counters meanwhile: ADD is atomic there;
// - cpu_state may by now describe another thread, or none: code that reads or writes more than one of its members
// checks before and after that the CPU has not switched threads (`switches_of`, `SWITCHED`);
// - the kernel skips the program for other threads on the CPU: see again.bpf.h.
// on_sched_switch runs with preemption off, and what interrupts a program here (on_snapshot) runs to completion.
#ifdef PROGRAMS_ARE_PREEMPTIBLE
#define ADD(counter, n) __sync_fetch_and_add(&(counter), n)
#define COMPILER_BARRIER() asm volatile("" ::: "memory")
#define SWITCHED(cpu, since) (switches_of(cpu) != (since))
#else
#define ADD(counter, n) ((counter) += (n))
#define COMPILER_BARRIER()
#define SWITCHED(cpu, since) 0
#endif

// Hides a value from the verifier. The verifier follows all later paths once for each program state that it
// distinguishes, so once for each value that a number may have. `unknown`: a value about which it knows nothing.
#define FORGET(value, unknown) asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(value) : "r"(unknown))

// Stores a value that the verifier is not to track.
#define STORE_FORGOTTEN(to, value, unknown)                                                                            \
	({                                                                                                             \
		u64 stored = (u64)(value);                                                                             \
		FORGET(stored, (u64)(unknown));                                                                        \
		(to) = (typeof(to))stored;                                                                             \
	})

// Calls a function with a context `times` times, or until it returns non-zero. The kernel runs the loop (bpf_loop(),
// since Linux 5.17), so the verifier follows the function only until it meets no new state. What changes from one
// iteration to the next therefore has to be hidden from it.
//
// CALLBACK defines the function. bcc takes it for a program, whose one argument is the context, and has no relocation
// for its address: a number is put there instead, and compiler.py appends the function to the program.
#ifdef LOOP_HELPER
#define CALLBACK(function, type)                                                                                       \
	int call_##function(void *turn)                                                                                \
	{                                                                                                              \
		type *context;                                                                                         \
		asm volatile("%0 = r2" : "=r"(context));                                                               \
		return function(context);                                                                              \
	}
#define REPEAT(times, function, context)                                                                               \
	({                                                                                                             \
		u64 callback;                                                                                          \
		asm volatile("%0 = %1 ll" : "=r"(callback) : "i"(CALLBACK_##function));                                \
		((long (*)(u32, u64, void *, u64))LOOP_HELPER)(times, callback, context, 0);                           \
	})
#else
#define CALLBACK(function, type)
#define REPEAT(times, function, context) REPEAT_HERE(times, function, context)
#endif
#define REPEAT_HERE(times, function, context)                                                                          \
	for (u32 i = 0; i < (times) && !function(context); i++) {                                                      \
	}

// The same in a program that also makes tail calls.
#ifdef TAIL_CALLS_BESIDE_FUNCTIONS
#define REPEAT_BESIDE_TAIL_CALLS REPEAT
#else
#define REPEAT_BESIDE_TAIL_CALLS REPEAT_HERE
#endif

// Reads one member of a kernel struct, at this kernel's offset (from BTF).
#define KREAD(dst, ptr, type, member)                                                                                  \
	({                                                                                                             \
		_Static_assert(sizeof(dst) == SIZE_##type##__##member, #type "." #member);                             \
		bpf_probe_read_kernel(&(dst), sizeof(dst), (void *)(ptr) + OFFSET_##type##__##member);                 \
	})

// The current thread, and a member of it or of what it points to. Where the verifier knows the pointer's type, the
// member can be read without a helper call, which saves 10 ns.
#ifdef CURRENT_TASK_BTF
#define CURRENT_TASK() (((void *(*)(void))CURRENT_TASK_BTF)())
#define TREAD(dst, ptr, type, member)                                                                                  \
	({                                                                                                             \
		_Static_assert(sizeof(dst) == SIZE_##type##__##member, #type "." #member);                             \
		(dst) = *(volatile typeof(dst) *)((void *)(ptr) + OFFSET_##type##__##member);                          \
	})
#else
#define CURRENT_TASK() ((void *)bpf_get_current_task())
#define TREAD KREAD
#endif

// A member of what any pointer points to. Where the kernel can be told what that is (bpf_rdonly_cast(), Linux 6.2), no helper
// is needed: 25 ns less each. A member that is an array cannot be read so.
#ifdef RDONLY_CAST
#define CREAD(dst, ptr, type, member)                                                                                  \
	TREAD(dst, ((void *(*)(const void *, u32))RDONLY_CAST)((void *)(ptr), TYPE_##type), type, member)
#else
#define CREAD KREAD
#endif

// Whether a bit-field of one bit is set in what TREAD can read, into a u8.
#ifdef CURRENT_TASK_BTF
#define READ_BIT(dst, ptr, type, member)                                                                               \
	((dst) = *(volatile u8 *)((void *)(ptr) + OFFSET_##type##__##member) & BIT_##type##__##member)
#else
#define READ_BIT(dst, ptr, type, member)                                                                               \
	({                                                                                                             \
		bpf_probe_read_kernel(&(dst), 1, (void *)(ptr) + OFFSET_##type##__##member);                           \
		(dst) &= BIT_##type##__##member;                                                                       \
	})
#endif

BPF_ARRAY(controls, struct control, 1);

#define CONDITIONS (BY_COMM | BY_UID | BY_CGROUP)

struct name {
	char comm[COMM_LEN];
};
BPF_HASH(followed, u32, u8, FOLLOWED_ENTRIES);  // processes recorded regardless of the other filters
BPF_HASH(comms, struct name, u8, FILTER_ENTRIES);
BPF_HASH(uids, u32, u8, FILTER_ENTRIES);
BPF_CGROUP_ARRAY(cgroups, 1);

BPF_ARRAY(alive, u64, 1);  // processes in `followed`

// Counts events that may have changed whether a process passes the filters without a system call of its own thread:
// another of its threads renamed it, or somebody moved it to another cgroup. And the last of them.
struct change {
	u64 count;
	u64 at;   // [ns, CLOCK_BOOTTIME]
	u64 pid;  // of which process
};
BPF_ARRAY(changes, struct change, 1);

BPF_PERCPU_ARRAY(totals, struct totals, 1);

BPF_PERCPU_ARRAY(cpu_states, struct cpu_state, 1);

INLINE u32 switches_of(struct cpu_state *cpu)
{
	COMPILER_BARRIER();
	u32 switches = cpu->switches;
	COMPILER_BARRIER();
	return switches;
}

struct who {
	u64 start;
	u32 pid, tid;
};

INLINE void lose(u32 cause)
{
	int zero = 0;
	struct totals *t = totals.lookup(&zero);
	if (t && cause < LOSSES)
		ADD(t->lost[cause], 1);
}

INLINE void made(u32 cell)
{
	int zero = 0;
	struct totals *t = totals.lookup(&zero);
	if (t && cell < CELLS)
		ADD(t->cells[cell], 1);
}

INLINE void add_alive(u64 n)
{
	int zero = 0;
	u64 *a = alive.lookup(&zero);
	if (a)
		__sync_fetch_and_add(a, n);
}

INLINE int none_alive(void)
{
	int zero = 0;
	u64 *a = alive.lookup(&zero);
	return a && !*a;
}

struct process {
	u64 start;
	u64 pid;
};

INLINE struct control *recording(void)
{
	int zero = 0;
	struct control *c = controls.lookup(&zero);
	return c && c->epoch ? c : NULL;
}

INLINE struct cpu_state *this_cpu(void)
{
	int zero = 0;
	return cpu_states.lookup(&zero);
}

INLINE u64 start_of(void *task)
{
	void *leader = NULL;
	u64 start = 0;
	KREAD(leader, task, task_struct, group_leader);
	KREAD(start, leader, task_struct, start_boottime);
	return start;
}

INLINE int follow(u32 pid)
{
	u8 one = 1;
	int failed = followed.insert(&pid, &one);
	if (failed) {
		if (failed != -EEXIST)  // another thread of the process may have been first
			lose(LOSS_followed_map);
		return 0;
	}
	add_alive(1);
	return 1;
}

// Whether the name of a thread's process is one of those chosen.
INLINE int has_asked_name(void *task)
{
	struct name name = {};
	void *leader = NULL;
	KREAD(leader, task, task_struct, group_leader);
	bpf_probe_read_kernel_str(&name.comm, sizeof(name.comm), leader + OFFSET_task_struct__comm);
	return comms.lookup(&name) != NULL;
}

// Whether the current process passes all filters.
INLINE int meets_conditions(u32 filters, void *task)
{
	if (!(filters & CONDITIONS))
		return 0;
	if (filters & BY_COMM && !has_asked_name(task))
		return 0;
	if (filters & BY_UID) {
		u32 uid = bpf_get_current_uid_gid();
		if (!uids.lookup(&uid))
			return 0;
	}
	if (filters & BY_CGROUP && cgroups.check_current_task(0) != 1)
		return 0;
	return 1;
}

// Whether the current process is recorded.
INLINE int wants(struct control *c, u32 pid, void *task)
{
	if (!c->filters || followed.lookup(&pid))
		return 1;
	if (!meets_conditions(c->filters, task))
		return 0;
	if (c->filters & CHILDREN)
		follow(pid);
	return 1;
}

INLINE void changed(u64 now, u32 pid)
{
	int zero = 0;
	struct change *last = changes.lookup(&zero);
	if (!last)
		return;
	last->at = now;
	last->pid = pid;
	__sync_fetch_and_add(&last->count, 1);
}

INLINE struct change last_change(void)
{
	int zero = 0;
	struct change *last = changes.lookup(&zero), none = {};
	return last ? *last : none;
}

// Who `me`, the current thread, is, and whether it is recorded, as last decided.
//
// The answer is cached until the next switch. If a switch came while it was computed, `known_at` is too old for it to
// be used again.
INLINE int identify(struct control *c, struct cpu_state *cpu, u64 me, struct who *who)
{
	u32 since = switches_of(cpu);
	who->pid = me >> 32;
	who->tid = me;
	if (cpu->known == me && !SWITCHED(cpu, cpu->known_at)) {
		who->start = cpu->start;
		int wanted = cpu->wanted;
		if (!SWITCHED(cpu, since))
			return wanted;
	}
	void *task = CURRENT_TASK(), *leader = NULL;
	TREAD(leader, task, task_struct, group_leader);
	TREAD(who->start, leader, task_struct, start_boottime);
	if (c->filters & CONDITIONS) {  // first, so that a change from here on is seen next time
		cpu->uid = bpf_get_current_uid_gid();
		cpu->change = last_change().count;
	}
	int wanted = wants(c, who->pid, task);
	cpu->start = who->start;
	cpu->wanted = wanted;
	cpu->known_at = since;
	COMPILER_BARRIER();
	cpu->known = me;
	return wanted;
}

INLINE void charge_as_decided(struct control *c, struct cpu_state *cpu, u64 until);

// The same as of now: whether a process passes the filters may change from one system call to the next. The CPU time it
// used so far is charged by the previous decision.
INLINE int decide(struct control *c, struct cpu_state *cpu, u64 me, struct who *who)
{
	if (!(c->filters & CONDITIONS))
		return identify(c, cpu, me, who);
	struct change last = last_change();
	u64 until = 0;
	if (cpu->known == me) {
		int same_user = cpu->uid == (u32)bpf_get_current_uid_gid();
		if (same_user && cpu->change == last.count)
			return identify(c, cpu, me, who);
		if (wants(c, me >> 32, CURRENT_TASK()) != cpu->wanted)
			until = same_user ? last.at : bpf_ktime_get_boot_ns();
	} else if (last.pid == me >> 32 && last.at > cpu->charged) {
		// It has made no call since it came onto this CPU, and its name or cgroup has changed meanwhile. Whether it passed
		// before is unknown; a change is assumed to have reversed it.
		cpu->wanted = !identify(c, cpu, me, who);
		until = last.at;
	}
	if (until)
		charge_as_decided(c, cpu, until);
	cpu->known = 0;
	return identify(c, cpu, me, who);
}

// Makes an event with a record of one size: `fill` is told whether that is the largest, and says whether the event
// fits. Returns 0 if it does not fit or the ring is full: then the next larger size is tried. The event is lost if all
// are full.
#define MADE(record, wakeup, fill, ...)                                                                                \
	({                                                                                                             \
		struct record *e = room_for_##record();                                                                \
		e &&settle_##record(e, fill(e, __VA_ARGS__), wakeup);                                                  \
	})
