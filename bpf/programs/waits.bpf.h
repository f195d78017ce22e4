// SPDX-License-Identifier: MIT
// What a thread that leaves the CPU waits for, from its state, its system call and that call's file.

#define TASK_STOPPED_OR_TRACED 0xc  // include/linux/sched.h
#define TASK_FROZEN 0x8000

#define PF_IO_WORKER 0x10
#define PF_KTHREAD 0x00200000

INLINE u32 state_of(void *task)
{
#ifdef HAVE_task_struct____state
	u32 state = 0;
	KREAD(state, task, task_struct, __state);
	return state;
#else
	u64 state = 0;  // before 5.14
	KREAD(state, task, task_struct, state);
	return state;
#endif
}

struct reason {
	u16 nr;  // of the call that the thread is in; UNKNOWN_NR if it is in none
	u16 waits_for;
};

INLINE u8 waits_for_socket(void *file, struct noted_wait *noted)
{
	void *socket = NULL, *sk = NULL;
	u16 family = 0;
	CREAD(socket, file, file, private_data);
	CREAD(sk, socket, socket, sk);
	CREAD(family, sk, sock_common, skc_family);
#ifdef RECORDS_waits
	if (noted)
		note_socket(noted, sk, family);
#endif
	if (family == AF_INET || family == AF_INET6)
		return WAITS_network;
	return family == AF_UNIX ? WAITS_pipe : WAITS_other;
}

// `noted`: where to note which file it is; NULL: nowhere.
INLINE u8 waits_for_file(void *task, u32 fd, struct noted_wait *noted)
{
	void *file = file_at(task, fd), *inode = NULL;
	u16 mode = 0;
	CREAD(inode, file, file, f_inode);
	CREAD(mode, inode, inode, i_mode);
#ifdef RECORDS_waits
	u32 type = mode & S_IFMT;
	if (noted && file)
		note_file(noted, file, inode, mode, (!type || type == S_IFREG) && is_anonymous(inode));
#endif
	switch (mode & S_IFMT) {
	case S_IFSOCK:
		return waits_for_socket(file, noted);
	case S_IFIFO:
		return WAITS_pipe;
	case S_IFREG:
		return is_anonymous(inode) ? WAITS_event : WAITS_disk;
	case S_IFDIR:
	case S_IFBLK:
		return WAITS_disk;
	case S_IFCHR:
		return WAITS_device;
	}
	return WAITS_event;
}

#ifdef RECORDS_waits
#define FUTEX_COMMAND 0x7f  // include/uapi/linux/futex.h
#define FUTEX_WAKE 1
#define FUTEX_LOCK_PI 6
#define FUTEX_UNLOCK_PI 7
#define FUTEX_WAKE_BITSET 10
#define FUTEX_LOCK_PI2 13

// Notes a futex. The kernel knows the owner of those with priority inheritance.
INLINE void note_futex(struct noted_wait *noted, void *regs)
{
	u64 operation = 0;
	TREAD(operation, regs, pt_regs, arg2);
	operation &= FUTEX_COMMAND;
	noted->row.has_owner = operation == FUTEX_LOCK_PI || operation == FUTEX_LOCK_PI2;
}

// Notes what the first argument of a call names. Returns what a thread waits for that waits for that file; 0: it names none.
INLINE u8 note_object(void *task, void *regs, struct shape *shape, struct noted_wait *noted)
{
	u64 first = 0, second = 0;
	u32 fd = 0;
	if (!shape || !shape->awaits)
		return 0;
	TREAD(first, regs, pt_regs, arg1);
	if (shape->awaits == AWAITS_VALUE) {
		noted->key.object = first;
		if (shape->form == FORM_FUTEX)
			note_futex(noted, regs);
		return 0;
	}
	if (shape->awaits == AWAITS_POLLED) {  // struct pollfd begins with the descriptor
		TREAD(second, regs, pt_regs, arg2);
		if (second != 1 || task != CURRENT_TASK() || bpf_probe_read_user(&fd, sizeof(fd), (void *)first))
			return 0;
		first = fd;
	}
	return waits_for_file(task, first, noted);
}
#endif

// What a thread that sleeps in this call waits for. `regs`: its registers at the entry.
INLINE u8 waits_in_call(void *task, void *regs, u32 nr, u64 state, struct noted_wait *noted)
{
	struct shape *shape = shape_of(nr);
	u8 waits_for = shape ? shape->waits_for : 0, of_file = 0;
	u64 fd = 0;
#ifdef RECORDS_waits
	if (noted)
		of_file = note_object(task, regs, shape, noted);
#endif
#ifdef HAVE_BIT_task_struct__in_iowait
	// Whoever waits for a disk cannot be interrupted. io_uring_enter sets it for all that it waits for, interruptibly.
	u8 in_iowait = 0;
	READ_BIT(in_iowait, task, task_struct, in_iowait);
	if (in_iowait && state & TASK_UNINTERRUPTIBLE)
		return WAITS_disk;
#endif
	if (waits_for == WAITS_BY_DESCRIPTOR) {
		if (of_file)
			return of_file;
		TREAD(fd, regs, pt_regs, arg1);
		return waits_for_file(task, fd, NULL);
	}
	if (waits_for)
		return waits_for;
	return state & TASK_UNINTERRUPTIBLE ? WAITS_kernel : WAITS_other;
}

// What a runnable thread waits for.
INLINE u8 waits_to_run(void *task)
{
	u8 throttled = 0;
#ifdef HAVE_task_struct__throttled
	TREAD(throttled, task, task_struct, throttled);  // since 6.18
#endif
	return throttled ? WAITS_throttled : WAITS_runnable;
}

// The system call that a thread is in, and its registers as the kernel saved them. UNKNOWN_NR if it is in none.
INLINE u16 call_in(void *task, void **regs)
{
#if defined(TASK_PT_REGS) && defined(HAVE_pt_regs__nr)
	*regs = ((void *(*)(void *))TASK_PT_REGS)(task);
#if SIZE_pt_regs__nr == 8
	return call_of_thread(task, *(volatile u64 *)(*regs + OFFSET_pt_regs__nr));
#else
	return call_of_thread(task, *(volatile u32 *)(*regs + OFFSET_pt_regs__nr));
#endif
#else
	return UNKNOWN_NR;
#endif
}

// Why a thread leaves, or has left, the CPU in this state; 0: runnable. `task` must be a pointer that the verifier trusts.
// `noted`: where to note what it waits for; NULL: nowhere.
INLINE struct reason reason_to_leave(void *task, u64 state, struct noted_wait *noted)
{
	struct reason reason = {.nr = UNKNOWN_NR};
	void *regs = NULL;
	u32 flags = 0;
	if (!state) {
		reason.waits_for = waits_to_run(task);
		return reason;
	}
	TREAD(flags, task, task_struct, flags);
	if (flags & (PF_KTHREAD | PF_IO_WORKER)) {
		reason.waits_for = WAITS_idle;
		return reason;
	}
	reason.nr = call_in(task, &regs);
	if (state & (TASK_STOPPED_OR_TRACED | TASK_FROZEN))
		reason.waits_for = WAITS_stopped;
	else if (!regs)
		reason.waits_for = WAITS_UNKNOWN;
	else if (reason.nr == UNKNOWN_NR)
		reason.waits_for = WAITS_page_fault;
	else
		reason.waits_for = waits_in_call(task, regs, reason.nr, state, noted);
	return reason;
}
