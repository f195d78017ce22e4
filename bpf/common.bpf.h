// SPDX-License-Identifier: MIT
// What every program shares: whether to record, whose row it is, what was lost.

// clang-format off: it would put spaces around the slash, and the kernel knows this word as it is
#define BPF_LICENSE Dual MIT/GPL
// clang-format on

#define EPERM 1
#define EACCES 13
#define ENOSYS 38

#define INLINE static inline __attribute__((always_inline))

// Adds to a counter of this CPU. Since Linux 7.0 a program may be preempted between any two of its instructions
// ("tracing: Guard __DECLARE_TRACE() use of __DO_TRACE_CALL() with SRCU-fast"), by a thread whose call adds to the same.
#ifdef PROGRAMS_ARE_PREEMPTIBLE
#define ADD(counter, n) __sync_fetch_and_add(&(counter), n)
#else
#define ADD(counter, n) ((counter) += (n))
#endif

// Reads one member of a kernel struct, at this kernel's own offset (from BTF).
#define KREAD(dst, ptr, type, member)                                                                                  \
	({                                                                                                             \
		_Static_assert(sizeof(dst) == SIZE_##type##__##member, #type "." #member);                             \
		bpf_probe_read_kernel(&(dst), sizeof(dst), (void *)(ptr) + OFFSET_##type##__##member);                 \
	})

struct control {
	u64 t0;      // recording began [ns, CLOCK_BOOTTIME]
	u32 epoch;   // which of a kind's two maps is being filled; 0: not recording
	u32 follow;  // whether only the processes in `followed` are recorded, and with 2 their children too
};
BPF_ARRAY(controls, struct control, 1);

BPF_ARRAY(alive, u64, 1);  // processes in `followed`

// Processes to record, when not all are. The value is unused.
BPF_HASH(followed, u32, u8, FOLLOWED_ENTRIES);
#define FOLLOW_CHILDREN 2

struct tally {
	u64 lost[LOSSES];  // what each cause lost
	u64 cells[CELLS];  // entries made in each kind's maps
};
BPF_PERCPU_ARRAY(tallies, struct tally, 1);

// What this CPU is doing. All of it belongs to the thread that runs now: a switch takes it away.
struct cpu_state {
	u64 caller;    // pid_tgid of the thread that is in a system call, 0: none
	u64 entered;   // when it entered
	u64 known;     // pid_tgid of the thread that `start` and `wanted` describe, 0: none
	u64 start;     // start of its process
	u64 charged;   // CPU time is accounted up to here
	u32 switches;  // times that this CPU has switched threads
	u16 nr;        // of the system call
	u16 wanted;    // whether the thread's process is recorded
};
BPF_PERCPU_ARRAY(cpu_states, struct cpu_state, 1);

struct who {
	u64 start;
	u32 pid, tid;
};

INLINE void lose(u32 cause)
{
	int zero = 0;
	struct tally *t = tallies.lookup(&zero);
	if (t && cause < LOSSES)
		ADD(t->lost[cause], 1);
}

INLINE void made(u32 cell)
{
	int zero = 0;
	struct tally *t = tallies.lookup(&zero);
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

INLINE int follows(struct control *c, u32 pid)
{
	return !c->follow || followed.lookup(&pid) != NULL;
}

// Who `me`, the thread that runs now, is, and whether it is to be recorded.
//
// The answer is kept until the next switch. As a program may be preempted (see ADD), a kept answer counts only if no
// switch came while it was read or written.
INLINE int identify(struct control *c, struct cpu_state *cpu, u64 me, struct who *who)
{
	u32 switches = *(volatile u32 *)&cpu->switches;
	who->pid = me >> 32;
	who->tid = me;
	if (cpu->known == me) {
		who->start = cpu->start;
		int wanted = cpu->wanted;
		if (switches == *(volatile u32 *)&cpu->switches)
			return wanted;
	}
	who->start = start_of((void *)bpf_get_current_task());
	int wanted = follows(c, who->pid);
	cpu->start = who->start;
	cpu->wanted = wanted;
	cpu->known = me;
	if (switches != *(volatile u32 *)&cpu->switches)
		cpu->known = 0;
	return wanted;
}
