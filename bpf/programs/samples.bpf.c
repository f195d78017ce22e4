// SPDX-License-Identifier: MIT
// Samples of running threads. The clock of each CPU interrupts whatever runs there; the idle thread is not sampled.

#ifdef RECORDS_samples
int on_sample(void *ctx)
{
	struct control *c = recording();
	u64 me = bpf_get_current_pid_tgid();
	void *task = CURRENT_TASK(), *leader = NULL;
	struct who who = {.pid = me >> 32, .tid = me};
	// Not by `identify`: what this interrupts may just be deciding who runs here.
	if (!c || !who.pid || !wants(c, who.pid, task))
		return 0;
	TREAD(leader, task, task_struct, group_leader);
	TREAD(who.start, leader, task_struct, start_boottime);
	struct stacks s = take_stacks(ctx, c, &who);
	struct samples_key key = {
		.start = who.start, .user_stack = s.user, .kernel_stack = s.kernel, .pid = who.pid, .tid = who.tid};
	struct samples_val *v = samples_cell(c, &key);
	if (!v)
		return 0;
	ADD(v->samples, 1);
	if (!v->thread[0])
		bpf_get_current_comm(&v->thread, sizeof(v->thread));
	return 0;
}
#endif
