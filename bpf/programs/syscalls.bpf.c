// SPDX-License-Identifier: MIT
// Every system call: one histogram cell per call, by process, call and latency.
//
// A call that stays on its CPU needs no hash for its start time, which is kept in cpu_state. Only if its thread is
// switched out during the call is the call parked in a hash, by thread, until the thread returns. The time off the CPU
// is added up there: whether a call waited is measured, at no cost to a call that did not.

BPF_HASH(parked, u32, struct call, PARKED_ENTRIES);

INLINE u16 bucket_of(u64 ns)
{
	if (ns < (1 << SUB_BITS))
		return ns;
	u32 log2 = bpf_log2l(ns) - 1;
	return (log2 - SUB_BITS + 1) << SUB_BITS | ((ns >> (log2 - SUB_BITS)) & ((1 << SUB_BITS) - 1));
}

#define TASK_UNINTERRUPTIBLE 2  // include/linux/sched.h

INLINE u64 run_delay(void)
{
	u64 ns = 0;
#ifdef HAVE_task_struct__sched_info__run_delay
	TREAD(ns, CURRENT_TASK(), task_struct, sched_info__run_delay);
#endif
	return ns;
}

// The thread of a call is back on a CPU, since `came`. All time that it did not sleep it was runnable.
INLINE void came_back(struct call *call, u64 came)
{
	u64 ns = came > call->left ? came - call->left : 0, ready = ns;
	u64 waited = run_delay() - call->run_delay;
	if (call->state) {
		ready = waited < ns ? waited : ns;
		call->blocked_ns += ns - ready;
		if (call->state & TASK_UNINTERRUPTIBLE)
			call->uninterruptible_ns += ns - ready;
	}
	call->runnable_ns += ready;
}

INLINE void count_call(struct control *c, struct who *who, struct call *call, u16 bucket, u64 ns, int error, u64 bytes)
{
#ifdef RECORDS_syscall_stats
	struct syscall_stats_key key = {.start = who->start, .pid = who->pid, .nr = call->nr, .bucket = bucket};
	struct syscall_stats_val *v = syscall_stats_cell(c, &key);
	if (!v)
		return;
	ADD(v->calls, 1);
	ADD(v->total_ns, ns);
	if (error)
		ADD(v->errors, 1);
	if (bytes)
		ADD(v->bytes, bytes);
	if (call->left) {
		ADD(v->blocked_ns, call->blocked_ns);
		ADD(v->uninterruptible_ns, call->uninterruptible_ns);
		ADD(v->runnable_ns, call->runnable_ns);
	}
	// A thread preempted right here may restore a lower maximum; all calls of a cell are in one bucket, so the error is
	// small.
	if (ns > v->max_ns)
		v->max_ns = ns;
#endif
}

INLINE void count_error(struct control *c, struct who *who, u16 nr, u16 error, u64 ns)
{
#ifdef RECORDS_syscall_errors
	struct syscall_errors_key key = {.start = who->start, .pid = who->pid, .nr = nr, .errno = error};
	struct syscall_errors_val *v = syscall_errors_cell(c, &key);
	if (!v)
		return;
	ADD(v->calls, 1);
	ADD(v->total_ns, ns);
#endif
}

// The call that the current thread is in, if any.
INLINE struct call call_of(struct cpu_state *cpu, u64 me)
{
	struct call call = {};
	u32 tid = me, since = switches_of(cpu);
	if (cpu->caller == me) {
		call.entered = cpu->entered;
		call.nr = cpu->nr;
		if (!SWITCHED(cpu, since))
			return call;
	}
	struct call *p = parked.lookup(&tid);
	if (p)
		call = *p;
	return call;
}

// The same, and removes it.
INLINE struct call take_call(struct cpu_state *cpu, u64 me)
{
	struct call call = {};
	u32 tid = me, since = switches_of(cpu);
	int found = 0;
	if (cpu->caller == me) {
		call.entered = cpu->entered;
		call.nr = cpu->nr;
		if (!SWITCHED(cpu, since)) {
			cpu->caller = 0;
			if (!SWITCHED(cpu, since))
				return call;
			found = 1;  // but it may have been parked before `caller` was cleared
		}
	}
	struct call *p = parked.lookup(&tid);
	if (p) {
		if (!found)
			call = *p;
		p->entered = 0;
	}
	return call;
}

// The same for a call that returns, with all its time off the CPU.
INLINE struct call take_returning(struct cpu_state *cpu, u64 me)
{
	u32 since = switches_of(cpu);
	struct call call = take_call(cpu, me);
	u64 came = cpu->came;
	if (call.left && !SWITCHED(cpu, since))  // otherwise it left a CPU in here, maybe before the call was taken
		came_back(&call, came);
	return call;
}

// What has to be known of the current thread's call if it returns on another CPU.
INLINE u32 reached_datagrams(struct cpu_state *cpu)
{
	return cpu->message == bpf_get_current_pid_tgid() ? REACHED_DATAGRAMS : 0;
}

// A thread that was switched out during its call before is switched out again.
INLINE void park_again(struct cpu_state *cpu, u64 now, u64 state)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct call *p = parked.lookup(&tid);
	if (!p || !p->entered)
		return;
	if (p->left)
		came_back(p, cpu->came);
	p->left = now;
	p->run_delay = run_delay();
	p->state = state;
	p->pid |= reached_datagrams(cpu);
}

// A thread is switched out during a call. `caller` is its id when it entered the call: an exec may have changed it
// since. Without a `caller` it is unknown whether the thread is in a call.
INLINE void park_call(struct control *c, struct cpu_state *cpu, u64 now, u64 state)
{
	u32 tid = cpu->caller, pid = cpu->caller >> 32;
	void *mm = NULL;
	if (!tid) {
#if defined(RECORDS_syscall_stats) || defined(RECORDS_peer)
		TREAD(mm, CURRENT_TASK(), task_struct, mm);
		if (mm && (cpu->wanted || c->filters & CONDITIONS))
			park_again(cpu, now, state);
#endif
		return;
	}
	struct call call = {.entered = cpu->entered,
	                    .start = cpu->start,
	                    .nr = cpu->nr,
	                    .pid = pid | reached_datagrams(cpu),
	                    .left = now,
	                    .run_delay = run_delay(),
	                    .state = state};
	struct call *p = parked.lookup(&tid);
	if (p)
		*p = call;
	else if (parked.update(&tid, &call))
		lose(LOSS_thread_map);
}

// A thread ends: a call it is in will never return.
INLINE void end_call(struct control *c, struct cpu_state *cpu, struct who *who, u64 me)
{
	struct call call = take_call(cpu, me);
	if (call.entered && call.entered != OUTSIDE) {
		call.left = 0;
		count_call(c, who, &call, NO_RETURN, 0, 0, 0);
		call_never_returns(who, call.nr, call.entered);
	}
	u32 tid = me;
	parked.delete(&tid);
}

// The same for a thread that is not recorded.
INLINE void unpark_call(u64 me)
{
	u32 tid = me;
	parked.delete(&tid);
}

// After an exec by a thread other than the leader, the thread takes the leader's id.
INLINE void rename_call(struct cpu_state *cpu, u32 old_tid, u64 me)
{
	u32 tid = me;
	u64 before = (me & 0xffffffff00000000) | old_tid;
	if (old_tid == tid)
		return;
	struct call call = take_call(cpu, before);
	parked.delete(&old_tid);
	if (call.entered && parked.update(&tid, &call))
		lose(LOSS_thread_map);
}

// Whether this thread is in an execve. So is a user thread whose call is unknown: it has just taken the leader's id
// (de_thread(), fs/exec.c) and entered under another.
INLINE int in_exec(struct cpu_state *cpu, u64 me)
{
	struct call call = call_of(cpu, me);
	void *mm = NULL;
	if (call.entered)
		return call.nr == NR_execve || call.nr == NR_execveat;
	TREAD(mm, CURRENT_TASK(), task_struct, mm);
	return mm != NULL;
}

INLINE u16 table_of_call(void *task)
{
#ifdef TS_COMPAT
	u32 status = 0;
	TREAD(status, task, task_struct, thread_info__status);
	return status & TS_COMPAT ? 1 << ABI_SHIFT : 0;
#else
	return 0;
#endif
}

// The call of a thread of which the verifier knows that it is one.
INLINE u16 call_of_thread(void *task, u64 nr)
{
#ifdef X32_BIT
	if (nr & X32_BIT && (nr & ~X32_BIT) < UNKNOWN_NR)
		return (nr & ~X32_BIT) | 2 << ABI_SHIFT;
#endif
	return nr < UNKNOWN_NR ? nr | table_of_call(task) : UNKNOWN_NR;
}

INLINE u16 call_number(u64 nr)
{
	return call_of_thread(CURRENT_TASK(), nr);
}

PROGRAM(sys_enter)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	u64 me = bpf_get_current_pid_tgid();
	struct who who;
	if (!c || !cpu)
		return;
	int wanted = decide(c, cpu, me, &who);
	if (!wanted && !(c->filters & CONDITIONS))
		return;
	u32 since = switches_of(cpu);
	u16 nr = call_number(ctx->args[1]);
	u64 now = OUTSIDE;
	if (wanted) {
		call_begins(cpu, (void *)ctx->args[0], nr, me);
		now = bpf_ktime_get_boot_ns();
	}
#ifdef PROGRAMS_ARE_PREEMPTIBLE
	cpu->start = who.start;  // another thread's, if there was a switch during identify
#endif
	cpu->nr = nr;
	cpu->entered = now;
	cpu->caller = me;
	if (!SWITCHED(cpu, since))
		return;
	// What is stored there may be mixed with another thread's, and so may what a switch parked from it.
	struct call call = {.entered = now, .start = who.start, .nr = nr, .pid = who.pid};
	u32 tid = me;
	if (cpu->caller == me)
		cpu->caller = 0;
	COMPILER_BARRIER();
	if (parked.update(&tid, &call))
		lose(LOSS_thread_map);
}

// A call that began before the recording. The time since the recording began is a lower bound of its latency.
INLINE void cut_call(struct control *c, struct who *who, u16 nr, u64 now)
{
#ifdef RECORDS_syscall_inflight
	struct syscall_inflight *e = syscall_inflight_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		lose(LOSS_syscall_inflight_ring);
		return;
	}
	e->ts = now;
	e->start = who->start;
	e->elapsed_ns = now - c->t0;
	e->pid = who->pid;
	e->tid = who->tid;
	e->nr = nr;
	bpf_get_current_comm(&e->comm, sizeof(e->comm));
	syscall_inflight_ring.ringbuf_submit(e, BPF_RB_NO_WAKEUP);
#endif
}

// Whether this is a new thread returning from the call that created it.
INLINE int is_first_return(void *regs, s64 result)
{
	u64 nr = 0;
	if (result)
		return 0;
#ifdef HAVE_pt_regs__nr
	bpf_probe_read_kernel(&nr, SIZE_pt_regs__nr, regs + OFFSET_pt_regs__nr);
	u16 call = call_number(nr);
	return call == NR_clone || call == NR_clone3 || call == NR_fork || call == NR_vfork
#ifdef IA32_clone
	       || call == IA32_clone || call == IA32_clone3 || call == IA32_fork || call == IA32_vfork
#endif
		;
#else
	return 1;
#endif
}

// A call returns whose entry was not seen. Either it began before the recording; or it is a new thread returning from
// the clone that created it; or seccomp refused it, in which case the kernel traces no entry (syscall_trace_enter()
// returns before trace_sys_enter()). A thread returns only once from a call that began before, and from the clone that
// created it with 0. A filter may return any result. The call of a thread that was not sleeping when the recording
// began ends soon after.
#define RETURNS_SOON_NS 100000000ULL
INLINE void unmatched_exit(struct control *c, struct who *who, void *regs, s64 result, u64 now)
{
	void *task = CURRENT_TASK();
	struct call seen = {};
	u64 born = 0, nr = UNKNOWN_NR;
	int seccomp = 0;
	TREAD(born, task, task_struct, start_boottime);
	if (born >= c->t0) {
		if (!is_first_return(regs, result))
			lose(LOSS_refused);
		return;
	}
#ifdef HAVE_task_struct__seccomp__mode
	TREAD(seccomp, task, task_struct, seccomp__mode);
#endif
	int usual = result == -EPERM || result == -EACCES || result == -ENOSYS;
	int refused = seccomp && (usual || now > c->t0 + RETURNS_SOON_NS);
	// The entry marks the thread as seen, so that user space does not add one for a call that has ended.
	if (parked.insert(&who->tid, &seen) || refused) {
		lose(LOSS_refused);
		return;
	}
#ifdef HAVE_pt_regs__nr
	nr = 0;
	bpf_probe_read_kernel(&nr, SIZE_pt_regs__nr, regs + OFFSET_pt_regs__nr);
#endif
	cut_call(c, who, call_number(nr), now);
}

// on_rename runs before the kernel changes the name: another thread of the process may have checked the old name since.
INLINE void name_was_given(struct cpu_state *cpu)
{
	cpu->renamed = 0;
	changed(bpf_ktime_get_boot_ns(), bpf_get_current_pid_tgid() >> 32);
}

// Whether to tail-call the program for this kind of call. A call that carries messages qualifies if it reached a
// datagram socket, as on_sock_send has noted, or may have connected: finding this out for all others, which are many,
// would take ten times as long as this test.
INLINE int goes_on(struct cpu_state *cpu, struct call *call, struct shape *shape, void *regs)
{
#ifndef RECORDS_polled
	if (shape && shape->hook == POLL_CALL)
		return 0;
#endif
	if (!shape || shape->hook != MESSAGE_CALL)
		return 1;
#ifdef RECORDS_peer
#ifdef SOCKETS_SAY_LENGTHS
	if (call->pid & REACHED_DATAGRAMS || cpu->message == bpf_get_current_pid_tgid())
		return 1;
#else
	return 1;
#endif
#endif
	return shape->form & SENDS && argument(regs, shape->form == FORM_SENDMSG ? 3 : 4) & MSG_FASTOPEN;
}

// If the call makes an event, tail-calls the program for it and does not return.
PROGRAM(sys_exit)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	u64 me = bpf_get_current_pid_tgid();
	struct who who;
	if (!c || !cpu)
		return;
	if (c->filters & CONDITIONS && cpu->renamed)
		name_was_given(cpu);
	int wanted = decide(c, cpu, me, &who);
	if (!wanted && !(c->filters & CONDITIONS))
		return;
	struct call call = take_returning(cpu, me);
	if (call.entered == OUTSIDE || (!wanted && !call.entered))
		return;
	u64 now = bpf_ktime_get_boot_ns();
	s64 result = ctx->args[1];
	if (!call.entered) {
		unmatched_exit(c, &who, (void *)ctx->args[0], result, now);
		return;
	}
	struct shape *shape = shape_of(call.nr);
	u64 bytes = bytes_moved(shape, (void *)ctx->args[0], result);
	struct returned returned = {.ts = now, .nr = call.nr, .bytes = bytes};
#ifdef RECORDS_object_name
	returned.fd = returned.fd2 = NO_FD;
#endif
	if (call.entered <= c->t0) {
		cut_call(c, &who, call.nr, now);
		if (!shape || shape->hook != MESSAGE_CALL)  // what it received arrived during the recording
			return;
	} else {
		u64 ns = now > call.entered ? now - call.entered : 0;
		int failed = result < 0 && result >= -4095;
		count_call(c, &who, &call, bucket_of(ns), ns, failed, bytes);
		if (failed)
			count_error(c, &who, call.nr, -result, ns);
		returned.entered = call.entered;
	}
	int goes = goes_on(cpu, &call, shape, (void *)ctx->args[0]);
#ifdef RECORDS_object_name
	returned.next = goes && shape ? shape->hook : 0;
	returned.blocked_ns = call.left ? call.blocked_ns : 0;
	u32 hook = returned.entered ? event_hook(call.nr) : 0;
	if (hook)
		go_on(ctx, hook, returned);
	go_further(ctx, shape, returned);
#else
	if (goes)
		make_event(ctx, shape, returned);
#endif
}
