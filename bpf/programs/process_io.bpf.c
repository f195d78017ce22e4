// SPDX-License-Identifier: MIT
// The kernel's own accounting of a thread's I/O, whatever the way of access: the increase, at each snapshot and when
// the thread ends.

#ifdef RECORDS_process_io
// struct task_io_accounting (include/linux/task_io_accounting.h): the first four members need CONFIG_TASK_XACCT, the
// others CONFIG_TASK_IO_ACCOUNTING.
struct io_counts {
	u64 rchar, wchar, syscr, syscw;
	u64 read_bytes, write_bytes, cancelled_write_bytes;
};

// A thread's values when it was last charged. Keyed by task_struct; begin_thread() clears the entry when one is reused.
BPF_HASH(io_charged, u64, struct io_counts, PARKED_ENTRIES);

INLINE struct io_counts io_counts_of(void *task)
{
	struct io_counts is = {};
#ifdef HAVE_task_struct__ioac__rchar
	bpf_probe_read_kernel(&is.rchar, 4 * sizeof(u64), task + OFFSET_task_struct__ioac__rchar);
#endif
#ifdef HAVE_task_struct__ioac__read_bytes
	bpf_probe_read_kernel(&is.read_bytes, 3 * sizeof(u64), task + OFFSET_task_struct__ioac__read_bytes);
#endif
	return is;
}

INLINE int no_io(struct io_counts *is)
{
	return !(is->rchar | is->wchar | is->syscr | is->syscw | is->read_bytes | is->write_bytes |
	         is->cancelled_write_bytes);
}

// Adds are atomic: while an iterator runs this, a thread that ends on the same CPU may run it too.
INLINE void add_io(struct control *c, u32 pid, u64 start, struct io_counts *is, struct io_counts *was)
{
	struct io_counts came = {
		grew(is->rchar, was->rchar),
		grew(is->wchar, was->wchar),
		grew(is->syscr, was->syscr),
		grew(is->syscw, was->syscw),
		grew(is->read_bytes, was->read_bytes),
		grew(is->write_bytes, was->write_bytes),
		grew(is->cancelled_write_bytes, was->cancelled_write_bytes),
	};
	if (no_io(&came))
		return;
	struct process_io_key key = {.start = start, .pid = pid};
	struct process_io_val *v = process_io_cell(c, &key);
	if (!v)
		return;
	__sync_fetch_and_add(&v->rchar_bytes, came.rchar);
	__sync_fetch_and_add(&v->wchar_bytes, came.wchar);
	__sync_fetch_and_add(&v->read_calls, came.syscr);
	__sync_fetch_and_add(&v->write_calls, came.syscw);
	__sync_fetch_and_add(&v->storage_read_bytes, came.read_bytes);
	__sync_fetch_and_add(&v->storage_write_bytes, came.write_bytes);
	__sync_fetch_and_add(&v->cancelled_write_bytes, came.cancelled_write_bytes);
}

// Charges a thread that is alive or that ends. If it is older than the recording, what it had at the first look is not
// charged.
INLINE void charge_io(struct control *c, void *task, u32 pid, u64 start, int wanted, int ends)
{
	u64 id = (u64)task, thread_start = 0;
	struct io_counts now = io_counts_of(task), was = {};
	struct io_counts *known = io_charged.lookup(&id);
	KREAD(thread_start, task, task_struct, start_boottime);
	int is_new = thread_start >= c->t0;
	if (known) {
		was = *known;
		*known = now;
	} else {
		if (is_new && no_io(&now))
			return;
		if (!ends && io_charged.update(&id, &now)) {
			lose(LOSS_io_map);
			return;
		}
		if (!is_new)
			was = now;
	}
	if (ends)
		io_charged.delete(&id);
	if (wanted)
		add_io(c, pid, start, &now, &was);
}
#endif

// The current thread ends. What the kernel does for it afterwards, such as closing its last files, is not seen.
INLINE void charge_io_of_end(struct control *c, void *task, struct who *who, int wanted)
{
#ifdef RECORDS_process_io
	charge_io(c, task, who->pid, who->start, wanted, 1);
#endif
}
