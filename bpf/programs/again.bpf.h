// SPDX-License-Identifier: MIT
// A second copy of each program that may be preempted, for the events that the kernel kept from the first.
//
// The kernel runs a program once at a time on a CPU (__bpf_trace_run(), kernel/trace/bpf_trace.c). While a thread is
// preempted in a program, the kernel skips the program for every other thread on that CPU and counts this
// (recursion_misses). So on_X_again is attached to the same tracepoint as on_X, after it: probes of equal priority run
// in the order in which they were attached (func_add(), kernel/tracepoint.c). When on_X runs, it sets a mark, which
// on_X_again clears; if on_X_again finds no mark, it does the work and counts it as recovered. An event is lost if both
// were skipped, so lost = misses of on_X - recovered.
//
// A mark belongs to one thread and one program, and is kept in cpu_state, as a thread runs both programs of a
// tracepoint one after the other. It is set before anything else, because a program may end in a tail call. If the
// thread is switched out before the copy has run, on_sched_switch moves the mark to a hash, as the thread may continue
// on another CPU. A skipped copy leaves its mark behind; then at most one later event of that thread and program is not
// recovered, and counts as lost. A mark that did not fit into the hash would make an event appear twice, so from then
// on copies do nothing, and skipped events are lost and counted.

#ifdef PROGRAMS_ARE_PREEMPTIBLE
BPF_HASH(marks, u32, u32, MARK_ENTRIES);  // by thread: the program that ran
BPF_ARRAY(marks_lost, u32, 1);

#define MARK(tid, copy) ((u64)(copy) << 32 | (u32)(tid))

INLINE void leave_mark(u32 copy)
{
	struct cpu_state *cpu = this_cpu();
	if (cpu)
		cpu->mark = MARK(bpf_get_current_pid_tgid(), copy);
}

// A thread leaves its CPU: its mark goes with it.
INLINE void keep_mark(struct cpu_state *cpu)
{
	u64 mark = cpu->mark;
	u32 tid = mark, copy = mark >> 32, one = 1;
	int zero = 0;
	if (!mark)
		return;
	cpu->mark = 0;
	// Another thread's mark is from before on_sched_switch was attached.
	if (tid == (u32)bpf_get_current_pid_tgid() && marks.update(&tid, &copy))
		marks_lost.update(&zero, &one);
}

// Whether the program was skipped for the current event.
INLINE int was_skipped(u32 copy)
{
	struct cpu_state *cpu = this_cpu();
	u32 tid = bpf_get_current_pid_tgid();
	int zero = 0;
	if (!cpu)
		return 0;
	u32 since = switches_of(cpu);
	if (cpu->mark == MARK(tid, copy)) {
		cpu->mark = 0;
		if (SWITCHED(cpu, since))
			marks.delete(&tid);
		return 0;
	}
	u32 *mark = marks.lookup(&tid);
	if (mark && *mark == copy) {
		marks.delete(&tid);
		return 0;
	}
	u32 *lost = marks_lost.lookup(&zero);
	if (!lost || *lost)
		return 0;
	struct totals *t = totals.lookup(&zero);
	if (t && copy < COPIES)
		ADD(t->recovered[copy], 1);
	return 1;
}

#define LEAVE_MARK(what) leave_mark(COPY_##what)

// Defines the copy of a program. Copies stand at the end of the text, as bcc takes one program per macro call.
#define AGAIN(what)                                                                                                    \
	int on_##what##_again(struct bpf_raw_tracepoint_args *ctx)                                                     \
	{                                                                                                              \
		if (was_skipped(COPY_##what))                                                                          \
			record_##what(ctx);                                                                            \
		return 0;                                                                                              \
	}
#else
#define LEAVE_MARK(what)
#endif

// Begins a raw tracepoint program that has a copy where programs are preemptible.
#define PROGRAM(what)                                                                                                  \
	int on_##what(struct bpf_raw_tracepoint_args *ctx);                                                            \
	INLINE void record_##what(struct bpf_raw_tracepoint_args *ctx);                                                \
	int on_##what(struct bpf_raw_tracepoint_args *ctx)                                                             \
	{                                                                                                              \
		LEAVE_MARK(what);                                                                                      \
		record_##what(ctx);                                                                                    \
		return 0;                                                                                              \
	}                                                                                                              \
	INLINE void record_##what(struct bpf_raw_tracepoint_args *ctx)
