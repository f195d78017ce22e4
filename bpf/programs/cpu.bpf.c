// SPDX-License-Identifier: MIT
// CPU time, waits and page faults: charged at every switch, and at each snapshot to the running threads. By default no
// program runs at a wakeup, as the kernel itself counts how long a thread waited for a CPU.

// The kernel's counts of a thread.
struct usage {
	u64 nvcsw;
	u64 nivcsw;
	u64 min_flt;
	u64 maj_flt;
	u64 utime;
	u64 stime;
	u64 runtime;  // the part of se.sum_exec_runtime charged so far; of a running thread it is as of the last tick
};

BPF_PERCPU_ARRAY(cpu_times, struct cpu_time, 1);

// A thread's counts, waiting time and CPU when it was last charged. They are not kept per CPU, as a thread may wait on one
// CPU and run on another. The key is the task_struct, as an exec may change the thread id.
struct thread {
	struct usage usage;
	u64 run_delay;
	u64 left;              // when it left its CPU; 0: the time since is charged, or not known
	struct reason reason;  // why it left
	u32 cpu;
#ifdef RECORDS_off_cpu
	struct stacks stacks;  // with which it left
#endif
};
struct kept_thread {
	struct thread thread;
#ifdef RECORDS_waits
	struct noted_wait wait;
#endif
};
BPF_HASH(threads, u64, struct kept_thread, PARKED_ENTRIES);

// Not on the stack, which is small: what a thread that is not kept was, what the running thread is, and what a standing
// one is, for a program that may be preempted.
#define WAS 0
#define IS 1
#define STANDING 2
BPF_PERCPU_ARRAY(unkept, struct kept_thread, 3);

INLINE struct kept_thread *unkept_room(int use)
{
	return unkept.lookup(&use);
}

// Where to note what a thread waits for.
INLINE struct noted_wait *begun_wait(struct kept_thread *t)
{
#ifdef RECORDS_waits
	begin_wait(&t->wait);
	return &t->wait;
#else
	return NULL;
#endif
}

#define NO_CPU (~0U)

// How much longer a stay on a CPU may be by the kernel's account than by ours, as it begins at the wakeup.
#define CLOCKS_DIFFER_NS 50000

#define PF_EXITING 0x4  // include/linux/sched.h
#define TASK_DEAD 0x80

// What the charged thread does next.
#define LEAVES 0
#define ENDS 1
#define GOES_ON 2

#define READ_USAGE(READ, u, task)                                                                                      \
	({                                                                                                             \
		READ((u)->nvcsw, task, task_struct, nvcsw);                                                            \
		READ((u)->nivcsw, task, task_struct, nivcsw);                                                          \
		READ((u)->min_flt, task, task_struct, min_flt);                                                        \
		READ((u)->maj_flt, task, task_struct, maj_flt);                                                        \
	})

#define READ_TIMES(READ, u, task)                                                                                      \
	({                                                                                                             \
		READ((u)->utime, task, task_struct, utime);                                                            \
		READ((u)->stime, task, task_struct, stime);                                                            \
		READ((u)->runtime, task, task_struct, se__sum_exec_runtime);                                           \
	})

INLINE void usage_of(void *task, struct usage *u)
{
	READ_USAGE(KREAD, u, task);
	READ_TIMES(KREAD, u, task);
}

// The increase of a count; 0 if it went back (see ADD).
INLINE u64 grew(u64 now, u64 before)
{
	return now > before ? now - before : 0;
}

// Notes that a thread which existed when the recording began, and is seen for the first time, has been off the CPU since
// then. Not if the map is full, as the thread would then be seen for the first time again.
INLINE void off_since_begin(struct control *c, u64 id, struct thread *was, struct kept_thread *now)
{
	if (c->epoch == 1 && !(c->filters & CONDITIONS) && !threads.insert(&id, now))
		was->left = c->t0;
}

// The counts of the running thread when it was last charged, `ns` ago, if the map does not have them. `now` has the
// current ones.
//
// The map lacks new threads, threads that were not recorded so far, and threads older than the recording that
// keep_standing() did not see. Of the latter two, what they did before they came onto this CPU is left out.
INLINE struct kept_thread *not_kept(struct control *c, void *task, struct kept_thread *is, u64 ns)
{
	u64 id = (u64)task, born = 0;
	struct kept_thread *room = unkept_room(WAS);
	if (!room)
		return NULL;
	struct thread *was = &room->thread, *now = &is->thread;
	begun_wait(room);
	int is_first = !(c->filters & CONDITIONS) || now->usage.runtime < ns + CLOCKS_DIFFER_NS;
	__builtin_memset(was, 0, sizeof(*was));
	was->cpu = now->cpu;
	was->reason.nr = UNKNOWN_NR;
	TREAD(born, task, task_struct, start_boottime);
	if (born >= c->t0 && is_first) {
		if (now->usage.runtime < ns + CLOCKS_DIFFER_NS)  // else it ran before it was followed
			was->left = born;
		return room;
	}
	*was = *now;
	was->reason.nr = UNKNOWN_NR;
	was->reason.waits_for = WAITS_UNKNOWN;
	off_since_begin(c, id, was, is);
	was->usage.runtime = grew(now->usage.runtime, ns);
	return room;
}

// `keep`: where its counts are kept or, if `is_new`, what is to be kept of it.
INLINE void keep_thread(void *task, struct kept_thread *keep, int is_new, struct thread *now, int ends)
{
	u64 id = (u64)task;
	keep->thread = *now;
	if (is_new) {
		if (!ends && threads.update(&id, keep))
			lose(LOSS_thread_map);
	} else if (ends) {
		threads.delete(&id);
	}
}

// Stores the counts of a thread that existed when the recording began and has not been charged yet.
INLINE void keep_standing(void *task, u64 t0)
{
	struct thread is = {.cpu = NO_CPU, .left = t0};
	struct kept_thread *keep = unkept_room(STANDING);
	u64 id = (u64)task;
	if (!keep || threads.lookup(&id))
		return;
	usage_of(task, &is.usage);
	begun_wait(keep);  // what it waits for is not noted: an older kernel's stack is too small
	is.reason = reason_to_leave(task, state_of(task), NULL);
#ifdef HAVE_task_struct__sched_info__run_delay
	KREAD(is.run_delay, task, task_struct, sched_info__run_delay);
#endif
	keep->thread = is;
	threads.insert(&id, keep);
}

// Whether a thread is exiting: it is no longer followed, but its last CPU time still belongs to the recording.
INLINE int is_ending(void *task)
{
	u32 flags = 0;
	TREAD(flags, task, task_struct, flags);
	return flags & PF_EXITING;
}

// Takes back CPU time that was charged by estimate and that the kernel did not confirm, at most what was charged here since
// the last snapshot. The rest is deducted when the thread runs again.
INLINE void give_back(u64 *oncpu_ns, struct usage *is, void *task)
{
	u64 runtime = 0;
	TREAD(runtime, task, task_struct, se__sum_exec_runtime);
	u64 over = grew(is->runtime, runtime);
	if (over > *oncpu_ns)
		over = *oncpu_ns;
	ADD(*oncpu_ns, -over);
	is->runtime -= over;
}

// CPU time of the running thread since it was last charged, `ns` of wall time ago, as the kernel accounts it. While the
// thread runs, the kernel's account ends at its last tick: the time since is estimated as all used by the thread, and the
// next charge corrects that.
INLINE u64 ran(struct usage *is, struct usage *was, u64 ns, int how)
{
	u64 ran = grew(is->runtime, was->runtime);
	if (how == GOES_ON) {
		u64 rest = grew(ns, ran);
		ran = (ran < ns ? ran : ns) + (rest < TICK_AT_MOST_NS ? rest : TICK_AT_MOST_NS);
		is->runtime = was->runtime + ran;
	} else if (is->runtime < was->runtime) {
		is->runtime = was->runtime;
	}
	return ran;
}

// The part of an interval that was before this epoch.
INLINE u64 before_epoch(struct control *c, u64 from, u64 to)
{
	return grew(to < c->turned ? to : c->turned, from);
}

// How long a thread that was off the CPU for `off` was ready to run.
INLINE u64 ready_of(u64 off, struct thread *was, struct thread *is)
{
	u64 waited = grew(is->run_delay, was->run_delay);
	switch (was->reason.waits_for) {
	case WAITS_runnable:
		return off;
	case WAITS_throttled:
		return 0;
	}
	return waited < off ? waited : off;
}

#ifdef RECORDS_waits
// Counts a wait that is over, by what was noted of it.
INLINE void count_wakeup(struct control *c, struct kept_thread *t, struct who *who, u64 ns, u64 before_ns)
{
	struct kept_thread *room = unkept_room(IS);
	struct reason *reason = &t->thread.reason;
	if (!room || reason->waits_for == WAITS_runnable)
		return;
	// A copy: if nobody is known to have woken it, somebody who comes too late may still write to the key.
	struct waits_key *w = &room->wait.key;
	*w = t->wait.key;
	if (w->woken_by != WOKEN_BY_thread)
		w->waker_start = w->waker_pid = w->waker_tid = 0;
	w->start = who->start;
	w->pid = who->pid;
	w->tid = who->tid;
	w->nr = reason->nr;
	w->waited_for = reason->waits_for;
	if (reason->waits_for != WAITS_lock || w->waker_pid != who->pid)
		w->waker_tid = 0;
	struct waits_val *v = waits_cell(c, w);
	if (!v)
		return;
	if (!v->waits) {
		if (w->pid == OTHER_PID)
			note_nothing(&t->wait.row);
		*v = t->wait.row;
	}
	ADD(v->waits, 1);
	ADD(v->waited_ns, ns);
	ADD(v->waited_before_ns, before_ns);
	ADD(v->held_ns, t->wait.held_ns < ns ? t->wait.held_ns : ns);
	if (ns > v->max_waited_ns)
		v->max_waited_ns = ns;
	if (!v->thread[0])
		bpf_get_current_comm(&v->thread, sizeof(v->thread));
}
#endif

// Charges the time off the CPU until the thread `came` back: it slept, if it left to sleep, and was then ready to run for as
// long as the kernel says that it waited for a CPU.
INLINE void charge_wait(struct control *c, struct cpu_val *v, struct who *who, struct kept_thread *before,
                        struct thread *is, u64 came)
{
	struct thread *was = &before->thread;
	u64 off = grew(came, was->left), ready = ready_of(off, was, is), slept = off - ready, woken = was->left + slept;
	ADD(v->waits, was->reason.waits_for != WAITS_runnable);
	ADD(v->waited_ns, slept);
	ADD(v->ready_ns, ready);
	if (slept > v->max_waited_ns)
		v->max_waited_ns = slept;
	if (was->left < c->turned) {
		ADD(v->waited_before_ns, before_epoch(c, was->left, woken));
		ADD(v->ready_before_ns, before_epoch(c, woken, came));
	}
#ifdef RECORDS_waits
	count_wakeup(c, before, who, slept, before_epoch(c, was->left, woken));
#endif
#ifdef RECORDS_off_cpu
	if (was->reason.waits_for != WAITS_runnable && was->reason.waits_for != WAITS_throttled)
		charge_stacks(c, who, was->reason.waits_for, &was->stacks, slept);
#endif
}

// Charges the time since the last charge to this CPU and to the running thread. `how`: LEAVES (in that state), ENDS, GOES_ON.
//
// Must not be preempted by another thread, as it reads and then sets `charged`.
INLINE void charge(struct control *c, struct cpu_state *cpu, u64 now, int how, u64 state)
{
	void *task = CURRENT_TASK();
	u32 parity = c->epoch & 1, zero = 0;
	u64 ns = grew(now, cpu->charged > c->t0 ? cpu->charged : c->t0), id = (u64)task;
	struct cpu_time *t = cpu_times.lookup(&zero);
	u64 came = cpu->came;
	u64 me = bpf_get_current_pid_tgid();
	struct who who;
	if (cpu->charged < now)
		cpu->charged = now;
	if (!t)
		return;
	if (!(me >> 32)) {
		if (!cpu->leaving)  // otherwise it was offline
			ADD(t->idle_ns[parity], ns);
		return;
	}
	ADD(t->busy_ns[parity], ns);
	int wanted = identify(c, cpu, me, &who);
#ifdef RECORDS_cpu
	struct kept_thread *kept = threads.lookup(&id), *now_is = unkept_room(IS), *keep = kept ? kept : now_is;
	if (!wanted && !(kept && kept->thread.cpu != NO_CPU && is_ending(task))) {
		if (kept && c->filters & CONDITIONS)  // what it does from now on is not recorded
			threads.delete(&id);
		return;
	}
	if (!now_is)
		return;
	struct thread *is = &now_is->thread;
	READ_USAGE(TREAD, &is->usage, task);
	READ_TIMES(TREAD, &is->usage, task);
	is->run_delay = run_delay();
	is->left = 0;
#ifdef RECORDS_off_cpu
	__builtin_memset(&is->stacks, 0, sizeof(is->stacks));
#endif
	is->cpu = bpf_get_smp_processor_id();
	struct kept_thread *before = kept ? kept : not_kept(c, task, now_is, ns);
	if (!before)
		return;
	struct thread *was = &before->thread;
	u64 oncpu_ns = ran(&is->usage, &was->usage, ns, how);
	struct cpu_key key = {.start = who.start,
	                      .pid = who.pid,
	                      .tid = who.tid,
	                      .nr = was->reason.nr,
	                      .waited_for = was->reason.waits_for};
	struct cpu_val *v = cpu_cell(c, &key);
	if (v) {
		ADD(v->oncpu_ns, oncpu_ns);
		if (!oncpu_ns && how != GOES_ON)
			give_back(&v->oncpu_ns, &is->usage, task);
		ADD(v->occupied_ns, ns);
		ADD(v->user_ns, grew(is->usage.utime, was->usage.utime));
		ADD(v->system_ns, grew(is->usage.stime, was->usage.stime));
		ADD(v->wait_ns, grew(is->run_delay, was->run_delay));
		ADD(v->voluntary_switches, grew(is->usage.nvcsw, was->usage.nvcsw));
		ADD(v->involuntary_switches, grew(is->usage.nivcsw, was->usage.nivcsw));
		ADD(v->migrations, was->cpu != NO_CPU && is->cpu != was->cpu);
		ADD(v->minor_faults, grew(is->usage.min_flt, was->usage.min_flt));
		ADD(v->major_faults, grew(is->usage.maj_flt, was->usage.maj_flt));
		if (was->left)
			charge_wait(c, v, &who, before, is, came);
		if (!v->thread[0])
			bpf_get_current_comm(&v->thread, sizeof(v->thread));
	}
	is->reason = was->reason;
	if (how == LEAVES) {
		is->left = now;
		is->reason = reason_to_leave(task, state, begun_wait(keep));
#ifdef RECORDS_off_cpu
		is->stacks = noted_stacks();
#endif
	}
	keep_thread(task, keep, !kept, is, how == ENDS);
#endif
}

// Charges the running thread before the decision whether to record it changes. Where programs are preemptible, everything
// between two switches goes by the last decision.
INLINE void charge_as_decided(struct control *c, struct cpu_state *cpu, u64 until)
{
#ifndef PROGRAMS_ARE_PREEMPTIBLE
	if (until > cpu->charged)
		charge(c, cpu, until, GOES_ON, 0);
#endif
}

// Decides anew before a charge: since its last system call, another process may have moved or renamed the thread.
INLINE void decide_now(struct control *c, struct cpu_state *cpu)
{
	struct who who;
	u64 me = bpf_get_current_pid_tgid();
	if (c->filters & CONDITIONS && me >> 32)
		decide(c, cpu, me, &who);
}

// The state in which the thread leaves the CPU; 0: it is still runnable.
INLINE u64 state_left(struct bpf_raw_tracepoint_args *ctx)
{
	u32 state = 0;
	if (ctx->args[0])  // preempted, maybe while it was about to sleep
		return 0;
#ifdef STATE_OFFSET
	bpf_probe_read_kernel(&state, sizeof(state), (void *)ctx->args[1] + STATE_OFFSET);
#else
	state = ctx->args[3];
#endif
	return state;
}

int on_sched_switch(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	if (!cpu)
		return 0;
	if (c) {
		void *task = CURRENT_TASK();
		u64 id = (u64)task, state = state_left(ctx);
		decide_now(c, cpu);
#ifdef RECORDS_off_cpu
		note_stacks(ctx, c, cpu, state && !(state & TASK_DEAD));
#endif
		u64 now = bpf_ktime_get_boot_ns();
		charge(c, cpu, now, state & TASK_DEAD ? ENDS : LEAVES, state);
		if (state & TASK_DEAD && c->filters)
			threads.delete(&id);  // even if it is not recorded any more
		park_call(c, cpu, now, state);
		cpu->came = now;
		cpu->message = 0;
		cpu->caller = 0;
		cpu->known = 0;
		cpu->interrupts = 0;
	}
#ifdef PROGRAMS_ARE_PREEMPTIBLE
	keep_mark(cpu);
	cpu->switches++;  // last: the marks of the leaving thread are valid until here
#endif
	return 0;
}

// A CPU goes offline or comes back in steps, most of which run on that CPU. Its idle thread runs last, and first when it is
// back, so all of its offline time lies between two switches.
PROGRAM(cpuhp)
{
	struct cpu_state *cpu = this_cpu();
	s32 target = ctx->args[1], step = ctx->args[2];
	int zero = 0;
	struct cpu_time *t = cpu_times.lookup(&zero);
	if (!cpu || !t || ctx->args[0] != bpf_get_smp_processor_id())
		return;
	if (target < step && !cpu->leaving)
		t->left++;
	cpu->leaving = target < step;
}

// Run by user space on each CPU: when the recording begins, to store the counts of the running thread, and before each
// snapshot, to charge the running thread up to now.
int on_snapshot(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	if (c && cpu) {
		decide_now(c, cpu);
		charge(c, cpu, bpf_ktime_get_boot_ns(), GOES_ON, 0);
	}
	return 0;
}
