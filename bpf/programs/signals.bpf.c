// SPDX-License-Identifier: MIT
// Signals sent: by whom, to whom, and what the kernel did with each.

// Special values in place of a siginfo pointer (include/linux/sched/signal.h).
#define SEND_SIG_NOINFO 0  // sent by a process
#define SEND_SIG_PRIV 1    // sent by the kernel

// struct siginfo begins with si_signo, si_errno and si_code on every supported machine (asm-generic/siginfo.h).
#define SI_CODE_OFFSET 8

#define SI_USER 0
#define SI_QUEUE (-1)
#define SI_TKILL (-6)

// Whether the current process sent the signal. For faults, timers and children si_code gives another reason, and any
// process may be running when the kernel sends them.
INLINE int is_sent_by_current(u64 info)
{
	s32 code = 0;
	if (info == SEND_SIG_NOINFO)
		return 1;
	if (info == SEND_SIG_PRIV)
		return 0;
	bpf_probe_read_kernel(&code, sizeof(code), (void *)info + SI_CODE_OFFSET);
	return code == SI_USER || code == SI_QUEUE || code == SI_TKILL;
}

PROGRAM(signal)
{
#ifdef RECORDS_signal
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *target = (void *)ctx->args[2];
	struct who sender = {};
	u64 me = bpf_get_current_pid_tgid();
	u32 pid = 0, tid = 0;
	if (!c || !cpu)
		return;
	KREAD(pid, target, task_struct, tgid);
	KREAD(tid, target, task_struct, pid);
	int is_sent = me >> 32 && is_sent_by_current(ctx->args[1]);
	int wanted = is_sent && identify(c, cpu, me, &sender);
	if (!wanted && !wants_other(c, pid, target))
		return;
	struct signal *e = signal_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		lose(LOSS_signal_ring);
		return;
	}
	e->ts = bpf_ktime_get_boot_ns();
	e->pid = pid;
	e->start = start_of(target);
	e->tid = tid;
	e->signo = ctx->args[0];
	e->sender_pid = is_sent ? sender.pid : 0;
	e->sender_start = is_sent ? sender.start : 0;
	e->to_thread = !ctx->args[3];
	e->delivery = ctx->args[4];
	// A debugger gets one at every stop: a burst fills the ring before the recorder looks by itself.
	signal_ring.ringbuf_submit(e, ++cpu->signals % 512 ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP);
#endif
}
