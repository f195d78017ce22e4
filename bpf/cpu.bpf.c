// SPDX-License-Identifier: MIT
// CPU time: at every switch, and for what runs at a snapshot, the time since it was last charged.

// Only where no other thread can come between: `charged` is taken and set here.
INLINE void charge(struct control *c, struct cpu_state *cpu, u64 now, u64 switches)
{
	u64 from = cpu->charged > c->t0 ? cpu->charged : c->t0;
	u64 me = bpf_get_current_pid_tgid();
	struct who who;
	cpu->charged = now;
	if (!(me >> 32) || !identify(c, cpu, me, &who))
		return;
	struct cpu_key key = {.start = who.start, .pid = who.pid};
	struct cpu_val zero = {}, *v;
	if (c->epoch & 1) {
		v = cpu_odd.lookup(&key);
		if (!v) {
			if (!cpu_odd.insert(&key, &zero))
				made(CELLS_cpu);
			v = cpu_odd.lookup(&key);
		}
	} else {
		v = cpu_even.lookup(&key);
		if (!v) {
			if (!cpu_even.insert(&key, &zero))
				made(CELLS_cpu);
			v = cpu_even.lookup(&key);
		}
	}
	if (!v) {
		lose(LOSS_cpu_map);
		return;
	}
	if (now > from)
		ADD(v->oncpu_ns, now - from);
	ADD(v->switches, switches);
}

int on_sched_switch(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	if (!cpu)
		return 0;
	if (c) {
		charge(c, cpu, bpf_ktime_get_boot_ns(), 1);
		park_call(cpu);
		cpu->caller = 0;
		cpu->known = 0;
	}
#ifdef PROGRAMS_ARE_PREEMPTIBLE
	keep_mark(cpu);
	cpu->switches++;  // last: what is kept of the thread that leaves holds until here
#endif
	return 0;
}

// Run by user space on each CPU before a snapshot, so that what runs there is charged up to now.
int on_snapshot(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	if (c && cpu)
		charge(c, cpu, bpf_ktime_get_boot_ns(), 0);
	return 0;
}
