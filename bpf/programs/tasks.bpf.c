// SPDX-License-Identifier: MIT
// Task iterator programs: the kernel runs them for each thread when user space reads (Linux 5.8).
//
// User space reads what they write: struct task and struct holding of bpf/programs/tasks.py. If a thread's row does not
// fit into the reader's buffer, the kernel runs the program for that thread again, so a second run must change nothing.

#define SEQ_WRITE 127  // BPF_FUNC_seq_write, include/uapi/linux/bpf.h

// struct bpf_iter__task: meta, and the thread; NULL after the last. Read by hand, as bcc would turn accesses into
// helper calls.
INLINE void *iterated(void *ctx)
{
	u64 task;
	asm volatile("%0 = *(u64 *)(%1 + 8)" : "=r"(task) : "r"(ctx));
	return (void *)task;
}

// struct bpf_iter_meta begins with the file to write to.
INLINE void write_row(void *ctx, void *row, u32 size)
{
	u64 meta, seq;
	asm volatile("%0 = *(u64 *)(%1 + 0)" : "=r"(meta) : "r"(ctx));
	asm volatile("%0 = *(u64 *)(%1 + 0)" : "=r"(seq) : "r"(meta));
	((long (*)(void *, const void *, u32))SEQ_WRITE)((void *)seq, row, size);
}

INLINE u32 uid_of(void *task)
{
	void *cred = NULL;
	u32 uid = 0;
	KREAD(cred, task, task_struct, cred);
	KREAD(uid, cred, cred, uid__val);
	return uid;
}

// One thread's state. `state` and `exit_state` are as in task_struct.
int on_task(void *ctx)
{
	void *task = iterated(ctx), *leader = NULL, *signal = NULL, *cred = NULL;
	struct task row = {};
	if (!task)
		return 0;
	KREAD(leader, task, task_struct, group_leader);
	KREAD(signal, task, task_struct, signal);
	KREAD(row.pid, task, task_struct, tgid);
	KREAD(row.tid, task, task_struct, pid);
	row.start = start_of(task);
	row.ppid = ppid_of(leader, &row.parent_start);
	KREAD(cred, task, task_struct, cred);
	KREAD(row.uid, cred, cred, uid__val);
	KREAD(row.euid, cred, cred, euid__val);
	KREAD(row.gid, cred, cred, gid__val);
	KREAD(row.egid, cred, cred, egid__val);
	row.ns_pid = ns_pid_of(task);
	row.cgroup_id = cgroup_id(cgroup_of(task));
	KREAD(row.flags, task, task_struct, flags);
	KREAD(row.exit_state, task, task_struct, exit_state);
	row.state = state_of(task);
	KREAD(row.threads, signal, signal_struct, nr_threads);
	KREAD(row.cpu_ns, task, task_struct, se__sum_exec_runtime);
	KREAD(row.ended_cpu_ns, signal, signal_struct, sum_sched_runtime);
	KREAD(row.comm, task, task_struct, comm);
	write_row(ctx, &row, sizeof(row));
	return 0;
}

#define MOST_WORDS 128

// The bitmap of a process's open descriptors.
struct open_words {
	void *at;
	u64 left, found;
};

INLINE int count_word(struct open_words *w)
{
	u64 word = 0;
	if (!w->left || bpf_probe_read_kernel(&word, sizeof(word), w->at))
		return 1;
	STORE_FORGOTTEN(w->found, w->found + __builtin_popcountll(word), word);
	STORE_FORGOTTEN(w->at, w->at + sizeof(word), word);
	STORE_FORGOTTEN(w->left, w->left - 1, word);
	return 0;
}
CALLBACK(count_word, struct open_words)

// How many descriptors a process has open, if its table has room for at most 8,192; else NOT_COUNTED.
INLINE u32 descriptors_of(void *task)
{
	struct open_words w = {};
	void *files = NULL, *table = NULL;
	u32 room = 0;
	KREAD(files, task, task_struct, files);
	if (!files)
		return NOT_COUNTED;
	KREAD(table, files, files_struct, fdt);
	KREAD(room, table, fdtable, max_fds);
	KREAD(w.at, table, fdtable, open_fds);
	w.left = room / 64;
	if (w.left > MOST_WORDS)
		return NOT_COUNTED;
	REPEAT(MOST_WORDS, count_word, &w);
	return w.left ? NOT_COUNTED : w.found;
}

#define CGROUP_LEVELS 64

// Whether a thread's cgroup is the chosen one or below it.
INLINE int in_chosen_cgroup(struct control *c, void *task)
{
	void *cgroup = cgroup_of(task), *node = NULL;
	KREAD(node, cgroup, cgroup, kn);
	for (u32 i = 0; i < CGROUP_LEVELS && node; i++) {
		u64 id = 0;
		KREAD(id, node, kernfs_node, id);
		if (id == c->cgroup)
			return 1;
		node = group_above(node);
	}
	return 0;
}

// Whether a thread's process is recorded: what wants() decides for the current one.
INLINE int wants_other(struct control *c, u32 pid, void *task)
{
	u32 filters = c->filters;
	if (!filters || followed.lookup(&pid))
		return 1;
	if (!(filters & CONDITIONS))
		return 0;
	if (filters & BY_COMM && !has_asked_name(task))
		return 0;
	if (filters & BY_UID) {
		u32 uid = uid_of(task);
		if (!uids.lookup(&uid))
			return 0;
	}
	return !(filters & BY_CGROUP) || in_chosen_cgroup(c, task);
}

// At a snapshot: charges a thread's I/O and, once per process, reports its threads and descriptors. If the first thread
// has ended, they are reported once for each thread.
int on_holding(void *ctx)
{
	struct control *c = recording();
	void *task = iterated(ctx), *signal = NULL, *leader = NULL;
	u32 flags = 0, exit_state = 0, leader_exit_state = 0;
	struct holding row = {};
	if (!task || !c)
		return 0;
	KREAD(flags, task, task_struct, flags);
	KREAD(exit_state, task, task_struct, exit_state);
	KREAD(row.pid, task, task_struct, tgid);
	row.start = start_of(task);
	int wanted = wants_other(c, row.pid, task);
#ifdef RECORDS_cpu
	u64 thread_start = 0;
	KREAD(thread_start, task, task_struct, start_boottime);
	if (c->epoch == 1 && thread_start < c->t0 && !exit_state && (wanted || c->filters & CONDITIONS))
		keep_standing(task, c->t0);
#endif
#ifdef RECORDS_process_io
	if (!(flags & PF_EXITING))  // otherwise record_exit() has charged it, or will
		charge_io(c, task, row.pid, row.start, wanted, 0);
#endif
	KREAD(leader, task, task_struct, group_leader);
	KREAD(leader_exit_state, leader, task_struct, exit_state);
	if (!wanted || flags & PF_KTHREAD || exit_state || (task != leader && !leader_exit_state))
		return 0;
	KREAD(signal, task, task_struct, signal);
	KREAD(row.threads, signal, signal_struct, nr_threads);
	row.descriptors = descriptors_of(task);
	write_row(ctx, &row, sizeof(row));
	return 0;
}

#ifdef RECORDS_cpu
// When nothing is recorded any more, or at the end of a part: a thread that is off the CPU, and since when.
int on_off_cpu(void *ctx)
{
	int zero = 0;
	struct control *c = controls.lookup(&zero);
	void *task = iterated(ctx);
	u64 id = (u64)task;
	u32 exit_state = 0;
	struct off_cpu row = {};
	if (!task || !c)
		return 0;
	struct kept_thread *kept = threads.lookup(&id);
	struct thread *t = kept ? &kept->thread : NULL;
	KREAD(exit_state, task, task_struct, exit_state);
	KREAD(row.pid, task, task_struct, tgid);
	if (!t || !t->left || exit_state || !wants_other(c, row.pid, task))
		return 0;
	KREAD(row.tid, task, task_struct, pid);
	KREAD(row.thread, task, task_struct, comm);
	row.start = start_of(task);
	row.ts = t->left;
	row.nr = t->reason.nr;
	row.waited_for = t->reason.waits_for;
	write_row(ctx, &row, sizeof(row));
	return 0;
}
#endif
