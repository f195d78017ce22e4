// SPDX-License-Identifier: MIT
// Who wakes a thread. The first to do so after it has left its CPU ends its wait.

#ifdef RECORDS_waits
// Who is at work on this CPU. In an interrupt it is not the thread that happens to run.
INLINE u8 waker_on(struct cpu_state *cpu, u64 me, struct thread *woken)
{
	u8 by = cpu->interrupts & 15;
	if (by == WOKEN_BY_device && woken->reason.waits_for == WAITS_disk)
		return WOKEN_BY_disk;
	if (by)
		return by;
	return me >> 32 ? WOKEN_BY_thread : WOKEN_BY_interrupt;
}

// When a lock was released last, to somebody who waited for it. An address means something in one process only.
struct lock {
	u64 object;
	u64 pid;
};
BPF_TABLE("lru_hash", struct lock, u64, releases, LOCK_ENTRIES);

// Whether the running thread may have released a lock that the woken thread waited for. Of those who wait for a futex, a
// lock's release wakes one; the end of a thread, a signal and what wakes all that wait at a barrier are no release.
INLINE int releases_lock(struct thread *woken)
{
	struct shape *shape = shape_of(woken->reason.nr);
	void *regs = NULL;
	u64 operation = 0, wakes = 0;
	if (!shape || !shape->form)
		return 1;  // flock, fcntl, semop
	shape = shape_of(call_in(CURRENT_TASK(), &regs));
	if (!regs || !shape || !(shape->form == FORM_FUTEX || shape->form == FORM_FUTEX_WAKE))
		return 0;
	TREAD(operation, regs, pt_regs, arg2);
	TREAD(wakes, regs, pt_regs, arg3);
	operation &= FUTEX_COMMAND;
	wakes = (u32)wakes;
	if (shape->form == FORM_FUTEX && operation == FUTEX_UNLOCK_PI)
		return 1;
	return wakes == 1 &&
	       (shape->form == FORM_FUTEX_WAKE || operation == FUTEX_WAKE || operation == FUTEX_WAKE_BITSET);
}

// How long the waker has held a lock, as far as the woken thread waited for it: since somebody released it before.
INLINE u64 held(struct kept_thread *woken, u32 waker)
{
	struct lock lock = {.object = woken->wait.key.object, .pid = waker};
	u64 now = bpf_ktime_get_boot_ns(), since = woken->thread.left, *released = releases.lookup(&lock);
	if (released && *released > since)
		since = *released;
	releases.update(&lock, &now);
	return grew(now, since);
}

int on_waking(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	u64 id = ctx->args[0], me = bpf_get_current_pid_tgid();
	struct kept_thread *woken = threads.lookup(&id);
	struct who who;
	if (!c || !cpu || !woken || !woken->thread.left || woken->wait.key.woken_by != WOKEN_BY_NOBODY)
		return 0;
	u8 by = waker_on(cpu, me, &woken->thread);
	if (by == WOKEN_BY_thread) {
		if (!identify(c, cpu, me, &who))
			bpf_get_current_comm(&woken->wait.row.waker_thread, sizeof(woken->wait.row.waker_thread));
		woken->wait.key.waker_start = who.start;
		woken->wait.key.waker_pid = who.pid;
		woken->wait.key.waker_tid = who.tid;
		if (woken->thread.reason.waits_for == WAITS_lock && woken->wait.key.object &&
		    releases_lock(&woken->thread))
			woken->wait.held_ns = held(woken, who.pid);
	}
	woken->wait.key.woken_by = by;
	return 0;
}
#endif
