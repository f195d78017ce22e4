// SPDX-License-Identifier: MIT
// The cgroup of a process, and the names of new cgroups.

// A thread's cgroup in the unified hierarchy.
INLINE void *cgroup_of(void *task)
{
	void *set = NULL, *cgroup = NULL;
	KREAD(set, task, task_struct, cgroups);
	KREAD(cgroup, set, css_set, dfl_cgrp);
	return cgroup;
}

INLINE u64 cgroup_id(void *cgroup)
{
	void *node = NULL;
	u64 id = 0;
	KREAD(node, cgroup, cgroup, kn);
	KREAD(id, node, kernfs_node, id);
	return id;
}

// The directory above that of a group; NULL for the root.
INLINE void *group_above(void *node)
{
	void *above = NULL;
#ifdef HAVE_kernfs_node____parent
	KREAD(above, node, kernfs_node, __parent);
#endif
#ifdef HAVE_kernfs_node__parent
	KREAD(above, node, kernfs_node, parent);  // before 6.15
#endif
	return above;
}

PROGRAM(cgroup_mkdir)
{
#ifdef RECORDS_cgroup
	struct control *c = recording();
	void *made = (void *)ctx->args[0], *path = (void *)ctx->args[1], *root = NULL, *unified = NULL;
	if (!c)
		return;
	// Ids are unique within one hierarchy only.
	KREAD(root, made, cgroup, root);
	KREAD(unified, cgroup_of((void *)bpf_get_current_task()), cgroup, root);
	if (root != unified)
		return;
	struct cgroup *e = cgroup_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		lose(LOSS_cgroup_ring);
		return;
	}
	e->ts = bpf_ktime_get_boot_ns();
	e->cgroup_id = cgroup_id(made);
	long n = bpf_probe_read_kernel_str(e->cgroup_path, sizeof(e->cgroup_path), path);
	e->cgroup_path_len = n > 0 ? n - 1 : 0;
	cgroup_ring.ringbuf_submit(e, BPF_RB_NO_WAKEUP);
#endif
}

// A process was moved to another cgroup: it may now match the cgroup filter, or no longer match it.
PROGRAM(cgroup_move)
{
	struct control *c = recording();
	void *task = (void *)ctx->args[2];
	u32 pid = 0;
	if (!c || !(c->filters & BY_CGROUP))
		return;
	KREAD(pid, task, task_struct, tgid);
	changed(bpf_ktime_get_boot_ns(), pid);
}
