// SPDX-License-Identifier: MIT
// Processes that the kernel kills for lack of memory, at the moment when it chooses them.

#ifdef RECORDS_oom_kill
INLINE void describe_victim(struct control *c, struct oom_kill *e, void *task)
{
	e->start = start_of(task);
	e->cgroup_id = cgroup_id(cgroup_of(task));
#ifdef EXIT_SAYS_GROUP_DEAD
	void *mm = NULL;
	KREAD(mm, task, task_struct, mm);
	if (mm) {
		e->anon_bytes = pages_of(c, mm, MM_ANONPAGES) * PAGE_SIZE;
		e->file_bytes = pages_of(c, mm, MM_FILEPAGES) * PAGE_SIZE;
		e->shmem_bytes = pages_of(c, mm, MM_SHMEMPAGES) * PAGE_SIZE;
	}
#endif
}
#endif

PROGRAM(oom_kill)
{
#ifdef RECORDS_oom_kill
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	struct who trigger = {};
	u64 me = bpf_get_current_pid_tgid();
	u32 pid = ctx->args[0];
	if (!c || !cpu)
		return;
	int wanted = me >> 32 && identify(c, cpu, me, &trigger);
#ifdef VICTIM_IS_TASK
	void *victim = (void *)ctx->args[0];
	KREAD(pid, victim, task_struct, tgid);
	if (!wanted && !wants_other(c, pid, victim))
		return;
#else
	if (!wanted && c->filters && !followed.lookup(&pid))
		return;
#endif
	struct oom_kill *e = oom_kill_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		lose(LOSS_oom_kill_ring);
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->ts = bpf_ktime_get_boot_ns();
	e->pid = pid;
	e->anon_bytes = e->file_bytes = e->shmem_bytes = UNKNOWN_BYTES;
	e->trigger_pid = trigger.pid;
	e->trigger_start = trigger.start;
#ifdef VICTIM_IS_TASK
	describe_victim(c, e, victim);
#endif
	oom_kill_ring.ringbuf_submit(e, BPF_RB_NO_WAKEUP);
#endif
}
