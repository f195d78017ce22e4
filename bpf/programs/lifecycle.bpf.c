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

// A process's id in its own namespace, the innermost one it is in (task_tgid_vnr(), include/linux/pid.h).
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

// A new thread, before it first runs. Its task_struct may be one that was read after its thread had ended, such as a
// zombie from before the recording: usage kept under that address is not the new thread's.
INLINE void begin_thread(void *task)
{
	u64 id = (u64)task;
	threads.delete(&id);
#ifdef RECORDS_process_io
	io_charged.delete(&id);
#endif
}

PROGRAM(fork)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *child = (void *)ctx->args[1];
	u32 pid = 0, tgid = 0;
	struct who who;
	if (c)
		begin_thread(child);
	// The new process has its parent's name, user and cgroup; only the pid differs.
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

struct arguments {
	u64 at;
	u64 bytes;
};

// The arguments as execve has just laid them out in the new address space. Nothing has run there that could have moved
// or changed them, and the kernel wrote the pages a moment ago, so they are resident.
INLINE struct arguments arguments_of(void *task)
{
	void *mm = NULL;
	u64 from = 0, to = 0;
	KREAD(mm, task, task_struct, mm);
	KREAD(from, mm, mm_struct, arg_start);
	KREAD(to, mm, mm_struct, arg_end);
	return (struct arguments){from, to > from ? to - from : 0};
}

#define SMALL_ARGV sizeof(((struct exec_0 *)0)->argv)

// What was executed, and under which name.
struct executed {
	void *task, *file, *name, *interpreter;
	struct arguments args;
	struct who who;  // its thread as it was before
	s32 fd;          // passed instead of a name or of the directory it is relative to; -1: none
	u32 after;       // where the passed name begins in `name`, which the kernel built from both
};

#define FD_PREFIX 8       // "/dev/fd/", the prefix that alloc_bprm() (fs/exec.c) adds
#define FD_PREFIX_MAX 20  // with the longest number and a slash

// The descriptor passed to execveat(2) instead of an absolute or cwd-relative path. The kernel turns it into
// "/dev/fd/N" or "/dev/fd/N/PATH".
INLINE void read_fd_prefix(struct executed *x)
{
	char prefix[FD_PREFIX_MAX] = {};
	s32 fd = 0;
	bpf_probe_read_kernel_str(prefix, sizeof(prefix), x->name);
	for (u32 i = FD_PREFIX; i < FD_PREFIX_MAX; i++) {
		char c = prefix[i];
		if (c == '/' || !c) {
			u64 after = c ? i + 1 : 0;
			FORGET(after, (u64)x->name);
			x->fd = fd;
			x->after = after;
			return;
		}
		fd = fd * 10 + (c - '0');
	}
}

INLINE void read_bprm(struct executed *x, void *bprm)
{
	void *interpreter = NULL, *from_fd = NULL;
	KREAD(x->file, bprm, linux_binprm, file);
	KREAD(x->name, bprm, linux_binprm, filename);
	KREAD(interpreter, bprm, linux_binprm, interp);
#ifdef HAVE_linux_binprm__fdpath
	KREAD(from_fd, bprm, linux_binprm, fdpath);
#endif
	x->fd = -1;
	if (interpreter != x->name)
		x->interpreter = interpreter;
	if (from_fd)
		read_fd_prefix(x);
	u64 fd = x->fd;
	FORGET(fd, (u64)x->name);
	x->fd = fd;
}

// The records differ only in the size of their buffers, and begin alike.
INLINE void describe_exec(struct exec_0 *e, struct executed *x)
{
	struct identity id = {};
	void *inode = NULL, *cred = NULL;
	u64 ids = bpf_get_current_uid_gid();
	KREAD(inode, x->file, file, f_inode);
	identify_inode(&id, inode);
	KREAD(cred, x->task, task_struct, cred);
	KREAD(e->euid, cred, cred, euid);
	KREAD(e->egid, cred, cred, egid);
	e->ts = bpf_ktime_get_boot_ns();
	e->start = x->who.start;
	e->pid = x->who.pid;
	e->ppid = ppid_of(x->task, &e->parent_start);
	e->tid = x->who.tid;
	e->cgroup_id = cgroup_id(cgroup_of(x->task));
	e->ns_pid = ns_pid_of(x->task);
	e->uid = ids;
	e->gid = ids >> 32;
	e->device = id.device;
	e->inode = id.inode;
	e->generation = id.generation;
	bpf_get_current_comm(&e->comm, sizeof(e->comm));
}

// The file that runs, and the directory its name is relative to. Returns 0 if it does not fit.
INLINE int read_places(struct buffers *b, struct buffers *executable, struct executed *x, int last)
{
	struct place at = {}, running = {};
	char first = 0;
	u32 mount_namespace = 0;
	u8 origin;
	no_path(b, ORIGIN_unresolved);
	bpf_probe_read_kernel(&first, 1, x->name);
	if (x->fd >= 0 && !x->after && !x->interpreter) {
		place_of(&at, x->file);  // its descriptor may be closed by now
		origin = ORIGIN_fd;
	} else {
		origin = find_start(&at, x->fd >= 0 ? x->fd : AT_FDCWD, first == '/' && x->fd < 0);
		if (x->fd >= 0 && !x->after && origin == ORIGIN_dirfd)
			origin = ORIGIN_fd;
	}
	u64 from = origin;
	FORGET(from, (u64)at.dentry);
	if (origin != ORIGIN_unresolved && !read_directory(b, &at, from, last))
		return 0;
	place_of(&running, x->file);
	int n = read_names(executable->names, executable->names_len, executable->names_size, executable->longest,
	                   &running, &mount_namespace);
	*executable->names_len = n > 0 ? n : NO_LENGTH;
	if (!*b->mount_namespace)
		*b->mount_namespace = mount_namespace;
	return last || n != DOES_NOT_FIT;
}

// Returns the number of bytes of text, including the NUL; the length of what is missing is NO_LENGTH.
INLINE long read_text(u8 *to, u32 *length, u32 room, void *text)
{
	*length = NO_LENGTH;
	if (!text)
		return 0;
	long n = bpf_probe_read_kernel_str(to, room, text);
	if (n > 0)
		*length = n - 1;
	return n;
}

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
#define EXECUTABLE(e, longest_)                                                                                        \
	((struct buffers){.names = (e)->executable,                                                                    \
	                  .names_size = sizeof((e)->executable),                                                       \
	                  .names_len = &(e)->executable_len,                                                           \
	                  .longest = longest_})

// The name that was passed; NULL if there was none.
INLINE void *passed_name(struct executed *x)
{
	return x->fd >= 0 && !x->after ? NULL : x->name + x->after;
}

// Offsets of what stands elsewhere in records of another size.
struct texts {
	u8 *path, *interpreter, *argv;
	u32 path_size, interpreter_size, argv_size;
	u32 *path_len, *interpreter_len, *argv_len;
	u8 *path_truncated, *argv_truncated;
};

#define TEXTS(e)                                                                                                       \
	((struct texts){(e)->path, (e)->interpreter, (e)->argv, sizeof((e)->path), sizeof((e)->interpreter),           \
	                sizeof((e)->argv), &(e)->path_len, &(e)->interpreter_len, &(e)->argv_len,                      \
	                &(e)->path_truncated, &(e)->argv_truncated})

// Returns 0 if it does not fit.
#define FILL_EXEC(e, x, longest, last)                                                                                 \
	fill_exec((void *)e, x, BUFFERS(e, longest, ), EXECUTABLE(e, longest), TEXTS(e), last)
INLINE int fill_exec(struct exec_0 *e, struct executed *x, struct buffers b, struct buffers executable, struct texts t,
                     int last)
{
	describe_exec(e, x);
	if (!read_places(&b, &executable, x, last))
		return 0;
	long n = read_text(t.path, t.path_len, t.path_size, passed_name(x));
	long m = read_text(t.interpreter, t.interpreter_len, t.interpreter_size, x->interpreter);
	if (!last && (n < 0 || n >= (long)t.path_size || m >= (long)t.interpreter_size))
		return 0;
	*t.path_truncated = n >= (long)t.path_size;
	if (n < 0)
		lose(LOSS_path_unreadable);
	read_argv(t.argv, t.argv_len, t.argv_truncated, x->args, t.argv_size);
	return 1;
}
#endif

PROGRAM(exec)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	u32 old_tid = ctx->args[1];
	u64 me = bpf_get_current_pid_tgid();
	struct who who;
	if (!c || !cpu)
		return;
	cpu->change = ~0ULL;  // its name has changed, and maybe its user
	if (!decide(c, cpu, me, &who))
		return;
	rename_call(cpu, old_tid, me);
#ifdef RECORDS_exec
	struct executed x = {.task = (void *)ctx->args[0], .who = {who.start, who.pid, old_tid}};
	read_bprm(&x, (void *)ctx->args[2]);
	x.args = arguments_of(x.task);
	if ((x.args.bytes > SMALL_ARGV || !MADE(exec_0, BPF_RB_NO_WAKEUP, FILL_EXEC, &x, SMALL_NAME, 0)) &&
	    !MADE(exec_1, BPF_RB_NO_WAKEUP, FILL_EXEC, &x, NAME_SIZE, 1))
		lose(LOSS_exec_ring);
#endif
}

#define SIGNAL_GROUP_EXIT 4  // include/linux/sched/signal.h

// The wait status of the process (wait4(2)), computed as wait_task_zombie() in kernel/exit.c does.
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
	// Two threads that end at once may both see no other left: the first to get here writes the row.
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

// One of the memory's page counters: its value plus, if the address of the per-CPU parts is known, what each CPU has
// not yet added to it. Without them it is as accurate as the kernel's ru_maxrss: max(32, 2 * CPUs) pages for each CPU.
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

// The most memory the process had, in bytes; 0: unknown. The kernel updates its high-water mark when pages go, so the
// current value may be above it. Where a process's exit is traced after its memory is gone, there is nothing to read:
// signal_struct.maxrss is no substitute, as it also covers what the process had before an exec.
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

PROGRAM(exit)
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
	if (c->filters)  // so that it is known for a process that is recorded
		charge(c, cpu, now, GOES_ON, 0);
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
	e->exit_code = status & 0x7f ? NO_EXIT_CODE : (status >> 8) & 0xff;
	e->lifetime_ns = now - who.start;
	e->cgroup_id = cgroup_id(cgroup_of(task));
	e->peak_rss_bytes = peak_of(c, task);
	exit_ring.ringbuf_submit(e, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
#endif
}

PROGRAM(rename)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *task = (void *)ctx->args[0], *name = (void *)ctx->args[1];
	u64 me = bpf_get_current_pid_tgid(), now = bpf_ktime_get_boot_ns();
	u32 pid = 0, tid = 0;
	struct who who;
	if (!c || !cpu)
		return;
	// Only a thread of the same process can rename it (comm_write(), fs/proc/base.c).
	int wanted = identify(c, cpu, me, &who);
	KREAD(pid, task, task_struct, tgid);
	KREAD(tid, task, task_struct, pid);
	if (c->filters & CONDITIONS && pid == tid) {  // the name may now match the filter, or no longer match it
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
