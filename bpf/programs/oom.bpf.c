// SPDX-License-Identifier: MIT
// Processes that the kernel kills for lack of memory, at the moment when it chooses them.

#ifdef RECORDS_oom_kill
#define GROUP_LEVELS 16
#define GROUP_NAME 256  // NAME_MAX and the NUL
#define GROUP_ROOM (sizeof(((struct oom_kill *)0)->memory_group) - GROUP_NAME - 1)

// The group that has the memory, and 0 for one of version 2: that is its only hierarchy.
INLINE void *memory_group_of(void *task)
{
	void *cgroup = NULL;
#if defined(MEMORY_CONTROLLER) && defined(HAVE_css_set__subsys) && defined(HAVE_cgroup_subsys_state__cgroup)
	void *set = NULL, *state = NULL, *root = NULL, *unified = NULL;
	KREAD(set, task, task_struct, cgroups);
	bpf_probe_read_kernel(&state, sizeof(state), set + OFFSET_css_set__subsys + MEMORY_CONTROLLER * sizeof(state));
	if (!state)
		return NULL;
	KREAD(cgroup, state, cgroup_subsys_state, cgroup);
	KREAD(root, cgroup, cgroup, root);
	KREAD(unified, cgroup_of(task), cgroup, root);
	if (root == unified)
		return NULL;
#endif
	return cgroup;
}

// The path of a group, from the names of those above it.
INLINE void name_memory_group(struct oom_kill *e, void *cgroup)
{
	void *levels[GROUP_LEVELS] = {}, *node = NULL, *name = NULL;
	u64 end = 0;
	KREAD(node, cgroup, cgroup, kn);
#pragma unroll
	for (int i = 0; i < GROUP_LEVELS; i++) {
		void *above = node ? group_above(node) : NULL;
		levels[i] = above ? node : NULL;  // the root has no name
		node = above;
	}
	if (node)
		return;
#pragma unroll
	for (int i = GROUP_LEVELS - 1; i >= 0; i--) {
		if (!levels[i])
			continue;
		if (end > GROUP_ROOM)
			return;
		e->memory_group[end] = '/';
		KREAD(name, levels[i], kernfs_node, name);
		long n = bpf_probe_read_kernel_str(e->memory_group + end + 1, GROUP_NAME, name);
		if (n <= 0)
			return;
		end += n & (2 * GROUP_NAME - 1);  // the verifier sees that it is not negative
	}
	if (!end) {
		e->memory_group[0] = '/';
		end = 1;
	}
	e->memory_group_len = end;
}

INLINE void describe_victim(struct control *c, struct oom_kill *e, void *task)
{
	e->start = start_of(task);
	e->cgroup_id = cgroup_id(cgroup_of(task));
	void *group = memory_group_of(task);
	if (group)
		name_memory_group(e, group);
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
	e->ts = bpf_ktime_get_boot_ns();
	e->pid = pid;
	e->start = e->cgroup_id = 0;
	e->memory_group_len = NO_LENGTH;
	e->anon_bytes = e->file_bytes = e->shmem_bytes = UNKNOWN_BYTES;
	e->trigger_pid = trigger.pid;
	e->trigger_start = trigger.start;
#ifdef VICTIM_IS_TASK
	describe_victim(c, e, victim);
#endif
	oom_kill_ring.ringbuf_submit(e, BPF_RB_NO_WAKEUP);
#endif
}
