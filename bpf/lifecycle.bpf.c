// SPDX-License-Identifier: MIT
// Forks, execs, exits and renames of processes, one row each.

INLINE u32 ppid_of(void *task, u64 *parent_start)
{
	void *parent = NULL;
	u32 ppid = 0;
	KREAD(parent, task, task_struct, real_parent);
	KREAD(ppid, parent, task_struct, tgid);
	if (parent_start)
		*parent_start = start_of(parent);
	return ppid;
}

// The id of a process in its own namespace, the innermost that it is in (task_tgid_vnr(), include/linux/pid.h).
INLINE u32 ns_pid_of(void *task)
{
	void *leader = NULL, *pid = NULL;
	u32 level = 0, nr = 0;
	KREAD(leader, task, task_struct, group_leader);
	KREAD(pid, leader, task_struct, thread_pid);
	KREAD(level, pid, pid, level);
	void *numbers = pid + OFFSET_pid__numbers;
	KREAD(nr, numbers + (u64)level * SIZEOF_upid, upid, nr);
	return nr;
}

INLINE void record_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *child = (void *)ctx->args[1];
	u32 pid = 0, tgid = 0;
	struct who who;
	// The new process has its parent's name, user and cgroup; only its pid is another.
	if (!c || !cpu || !identify(c, cpu, bpf_get_current_pid_tgid(), &who))
		return;
	KREAD(pid, child, task_struct, pid);
	KREAD(tgid, child, task_struct, tgid);
	if (pid != tgid)
		return;
	if (c->filters & CHILDREN)
		follow(tgid);
	else if (c->filters & BY_PID)
		return;
#ifdef RECORDS_fork
	struct fork *e = fork_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		lose(LOSS_fork_ring);
		return;
	}
	e->ts = bpf_ktime_get_boot_ns();
	e->pid = tgid;
	e->start = start_of(child);
	e->ppid = ppid_of(child, &e->parent_start);
	e->uid = bpf_get_current_uid_gid();
	KREAD(e->comm, child, task_struct, comm);
	e->cgroup_id = cgroup_id(cgroup_of(child));
	e->ns_pid = ns_pid_of(child);
	fork_ring.ringbuf_submit(e, BPF_RB_NO_WAKEUP);
#endif
}

int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	LEAVE_MARK(fork);
	record_fork(ctx);
	return 0;
}
AGAIN(fork)

struct arguments {
	u64 at;
	u64 bytes;
};

// The arguments as execve has just laid them out in the new memory. Nothing has run there that could have moved or
// changed them, and the kernel wrote the pages a moment ago, so they are resident.
INLINE struct arguments arguments_of(void *task)
{
	void *mm = NULL;
	u64 from = 0, to = 0;
	KREAD(mm, task, task_struct, mm);
	KREAD(from, mm, mm_struct, arg_start);
	KREAD(to, mm, mm_struct, arg_end);
	return (struct arguments){from, to > from ? to - from : 0};
}

#define SMALL_PATH sizeof(((struct exec_0 *)0)->path)
#define SMALL_ARGV sizeof(((struct exec_0 *)0)->argv)
#define LARGE_PATH sizeof(((struct exec_1 *)0)->path)
#define LARGE_ARGV sizeof(((struct exec_1 *)0)->argv)

// The two records differ in the size of their buffers only.
#define FILL_EXEC(e, task, who, old_tid)                                                                               \
	do {                                                                                                           \
		(e)->ts = bpf_ktime_get_boot_ns();                                                                     \
		(e)->start = (who).start;                                                                              \
		(e)->pid = (who).pid;                                                                                  \
		(e)->ppid = ppid_of(task, &(e)->parent_start);                                                         \
		(e)->tid = old_tid;                                                                                    \
		(e)->cgroup_id = cgroup_id(cgroup_of(task));                                                           \
		(e)->ns_pid = ns_pid_of(task);                                                                         \
		(e)->uid = bpf_get_current_uid_gid();                                                                  \
		bpf_get_current_comm(&(e)->comm, sizeof((e)->comm));                                                   \
	} while (0)

INLINE void read_argv(u8 *to, u32 *length, u8 *truncated, struct arguments args, u32 room)
{
	u32 bytes = args.bytes < room ? args.bytes : room;
	*truncated = args.bytes > room;
	*length = bytes;
	if (bytes && bytes <= room && bpf_probe_read_user(to, bytes, (void *)args.at)) {
		*length = 0;
		*truncated = 1;
		lose(LOSS_argv_unreadable);
	}
}

#ifdef RECORDS_exec
INLINE void exec_large(void *task, struct who *who, u32 old_tid, void *name, struct arguments args)
{
	struct exec_1 *e = exec_1_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		lose(LOSS_exec_ring);
		return;
	}
	FILL_EXEC(e, task, *who, old_tid);
	long n = bpf_probe_read_kernel_str(e->path, LARGE_PATH, name);
	e->path_len = n > 0 ? n - 1 : 0;
	e->path_truncated = n >= (long)LARGE_PATH;
	if (n < 0)
		lose(LOSS_path_unreadable);
	read_argv(e->argv, &e->argv_len, &e->argv_truncated, args, LARGE_ARGV);
	exec_1_ring.ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

// Returns whether a small record held it all.
INLINE int exec_small(void *task, struct who *who, u32 old_tid, void *name, struct arguments args)
{
	if (args.bytes > SMALL_ARGV)
		return 0;
	struct exec_0 *e = exec_0_ring.ringbuf_reserve(sizeof(*e));
	if (!e)
		return 0;
	long n = bpf_probe_read_kernel_str(e->path, SMALL_PATH, name);
	if (n < 0 || n >= (long)SMALL_PATH) {
		exec_0_ring.ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	FILL_EXEC(e, task, *who, old_tid);
	e->path_len = n > 0 ? n - 1 : 0;
	e->path_truncated = 0;
	read_argv(e->argv, &e->argv_len, &e->argv_truncated, args, SMALL_ARGV);
	exec_0_ring.ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 1;
}
#endif

INLINE void record_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *task = (void *)ctx->args[0], *bprm = (void *)ctx->args[2], *name = NULL;
	u32 old_tid = ctx->args[1];
	u64 me = bpf_get_current_pid_tgid();
	struct who who;
	if (!c || !cpu)
		return;
	cpu->change = ~0ULL;  // its name is another now, and maybe its user
	if (!decide(c, cpu, me, &who))
		return;
	rename_call(cpu, old_tid, me);
#ifdef RECORDS_exec
	KREAD(name, bprm, linux_binprm, filename);
	struct arguments args = arguments_of(task);
	if (!exec_small(task, &who, old_tid, name, args))
		exec_large(task, &who, old_tid, name, args);
#endif
}

int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	LEAVE_MARK(exec);
	record_exec(ctx);
	return 0;
}
AGAIN(exec)

#define SIGNAL_GROUP_EXIT 4  // include/linux/sched/signal.h

// The wait status of the process (wait4(2)), as wait_task_zombie() in kernel/exit.c takes it.
INLINE u32 status_of(void *leader, void *signal)
{
	u32 flags = 0, status = 0;
	KREAD(flags, signal, signal_struct, flags);
	if (flags & SIGNAL_GROUP_EXIT)
		KREAD(status, signal, signal_struct, group_exit_code);
	else
		KREAD(status, leader, task_struct, exit_code);
	return status;
}

#ifndef EXIT_SAYS_GROUP_DEAD
BPF_TABLE("lru_hash", struct process, u8, ended, 4096);
#endif

// Whether this exiting thread is the one that ends its process.
INLINE int last_thread(struct bpf_raw_tracepoint_args *ctx, void *signal, struct who *who)
{
#ifdef EXIT_SAYS_GROUP_DEAD
	return ctx->args[1] & 1;
#else
	// Two threads that end at once may both see nobody left: the first one to get here has the row.
	struct process key = {.start = who->start, .pid = who->pid};
	u32 live = 1;
	u8 one = 1;
	KREAD(live, signal, signal_struct, live);
	return !live && !ended.insert(&key, &one);
#endif
}

#ifdef EXIT_SAYS_GROUP_DEAD
#define MM_FILEPAGES 0  // include/linux/mm_types_task.h
#define MM_ANONPAGES 1
#define MM_SHMEMPAGES 3

// One counter of the memory's pages: what stands in it and, if it is known where the CPUs' own memory is, what each CPU
// has not yet added to it. Without that it is as near as the kernel's ru_maxrss: max(32, 2 * CPUs) pages for each CPU.
INLINE s64 pages_of(struct control *c, void *mm, u32 which)
{
	void *counter = mm + OFFSET_mm_struct__rss_stat + which * SIZEOF_percpu_counter;
	void *parts = NULL;
	s64 pages = 0;
	KREAD(pages, counter, percpu_counter, count);
	if (!c->cpu_offsets)
		return pages;
	KREAD(parts, counter, percpu_counter, counters);
	for (u32 cpu = 0; cpu < POSSIBLE_CPUS; cpu++) {
		u64 offset = 0;
		s32 part = 0;
		bpf_probe_read_kernel(&offset, sizeof(offset), (void *)c->cpu_offsets + cpu * sizeof(offset));
		bpf_probe_read_kernel(&part, sizeof(part), parts + offset);
		pages += part;
	}
	return pages;
}
#endif

// The most memory that the process had, in bytes; 0: not known. The kernel notes the mark of high water when pages go,
// so what there is now may be more. Where a process's exit is traced after its memory is gone, there is nothing to read:
// signal_struct.maxrss is no substitute, as it holds what the process had before an exec, too.
INLINE u64 peak_of(struct control *c, void *task)
{
#ifdef EXIT_SAYS_GROUP_DEAD
	void *mm = NULL;
	u64 high = 0;
	KREAD(mm, task, task_struct, mm);
	if (!mm)
		return 0;
	KREAD(high, mm, mm_struct, hiwater_rss);
	s64 pages = pages_of(c, mm, MM_FILEPAGES) + pages_of(c, mm, MM_ANONPAGES) + pages_of(c, mm, MM_SHMEMPAGES);
	return (pages > (s64)high ? pages : (s64)high) * PAGE_SIZE;
#else
	return 0;
#endif
}

INLINE void record_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *task = (void *)ctx->args[0], *leader = NULL, *signal = NULL;
	u64 me = bpf_get_current_pid_tgid();
	struct who who;
	if (!c || !cpu)
		return;
	int wanted = identify(c, cpu, me, &who);
	charge_io_of_end(c, task, &who, wanted);
	if (!wanted) {
		if (c->filters & CONDITIONS)
			unpark_call(me);
		return;
	}
	end_call(c, cpu, &who, me);
	u64 now = bpf_ktime_get_boot_ns();
#ifndef PROGRAMS_ARE_PREEMPTIBLE
	charge(c, cpu, now, GOES_ON);
#endif
	KREAD(signal, task, task_struct, signal);
	if (!last_thread(ctx, signal, &who))
		return;
	int wake = 0;
	if (c->filters && !followed.delete(&who.pid)) {
		add_alive(-1);
		wake = none_alive();
	}
#ifdef RECORDS_exit
	struct exit *e = exit_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		lose(LOSS_exit_ring);
		return;
	}
	KREAD(leader, task, task_struct, group_leader);
	u32 status = status_of(leader, signal);
	e->ts = now;
	e->pid = who.pid;
	e->start = who.start;
	e->ppid = ppid_of(leader, NULL);
	e->uid = bpf_get_current_uid_gid();
	KREAD(e->comm, leader, task_struct, comm);
	e->signal = status & 0x7f;
	e->core_dumped = (status & 0x80) != 0;
	e->exit_code = status & 0x7f ? -1 : (status >> 8) & 0xff;
	e->lifetime_ns = now - who.start;
	e->cgroup_id = cgroup_id(cgroup_of(task));
	e->peak_rss_bytes = peak_of(c, task);
	exit_ring.ringbuf_submit(e, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
#endif
}

int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	LEAVE_MARK(exit);
	record_exit(ctx);
	return 0;
}
AGAIN(exit)

INLINE void record_rename(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *task = (void *)ctx->args[0], *name = (void *)ctx->args[1];
	u64 me = bpf_get_current_pid_tgid(), now = bpf_ktime_get_boot_ns();
	u32 pid = 0, tid = 0;
	struct who who;
	if (!c || !cpu)
		return;
	// Only a thread of the same process can give a name (comm_write(), fs/proc/base.c).
	int wanted = identify(c, cpu, me, &who);
	KREAD(pid, task, task_struct, tgid);
	KREAD(tid, task, task_struct, pid);
	if (c->filters & CONDITIONS && pid == tid) {  // it may be a name that is asked for, or no longer
		changed(now, pid);
		cpu->renamed = 1;
	}
	if (!wanted || in_exec(cpu, me))
		return;
#ifdef RECORDS_rename
	struct rename *e = rename_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		lose(LOSS_rename_ring);
		return;
	}
	e->ts = now;
	e->pid = pid;
	e->start = start_of(task);
	e->tid = tid;
	e->uid = bpf_get_current_uid_gid();
	KREAD(e->old_comm, task, task_struct, comm);
	bpf_probe_read_kernel_str(e->comm, sizeof(e->comm), name);
	rename_ring.ringbuf_submit(e, BPF_RB_NO_WAKEUP);
#endif
}

int on_rename(struct bpf_raw_tracepoint_args *ctx)
{
	LEAVE_MARK(rename);
	record_rename(ctx);
	return 0;
}
AGAIN(rename)
