// SPDX-License-Identifier: MIT
// Which interrupts a CPU is in. What happens in one is not the doing of the thread that happens to run.

#if defined(RECORDS_kernel_memory) || defined(RECORDS_waits)

// enum in include/linux/interrupt.h
#define TIMER_SOFTIRQ 1
#define NET_TX_SOFTIRQ 2
#define NET_RX_SOFTIRQ 3
#define BLOCK_SOFTIRQ 4
#define IRQ_POLL_SOFTIRQ 5
#define HRTIMER_SOFTIRQ 8

INLINE int interrupt_begins(u8 by)
{
	struct cpu_state *cpu = this_cpu();
	if (cpu)
		cpu->interrupts = cpu->interrupts << 4 | by;
	return 0;
}

INLINE int interrupt_ends(void)
{
	struct cpu_state *cpu = this_cpu();
	if (cpu)
		cpu->interrupts >>= 4;
	return 0;
}

#define INTERRUPT(what, by)                                                                                            \
	int on_##what##_enter(struct bpf_raw_tracepoint_args *ctx)                                                     \
	{                                                                                                              \
		return interrupt_begins(by);                                                                           \
	}                                                                                                              \
	int on_##what##_exit(struct bpf_raw_tracepoint_args *ctx)                                                      \
	{                                                                                                              \
		return interrupt_ends();                                                                               \
	}

INLINE u8 by_softirq(u32 vector)
{
	switch (vector) {
	case TIMER_SOFTIRQ:
	case HRTIMER_SOFTIRQ:
		return WOKEN_BY_timer;
	case NET_TX_SOFTIRQ:
	case NET_RX_SOFTIRQ:
		return WOKEN_BY_network;
	case BLOCK_SOFTIRQ:
	case IRQ_POLL_SOFTIRQ:
		return WOKEN_BY_disk;
	}
	return WOKEN_BY_interrupt;
}

INTERRUPT(irq, WOKEN_BY_device)
INTERRUPT(softirq, by_softirq(ctx->args[0]))
INTERRUPT(hrtimer, WOKEN_BY_timer)
INTERRUPT(irq_work, WOKEN_BY_interrupt)
INTERRUPT(call, WOKEN_BY_interrupt)
INTERRUPT(calls, WOKEN_BY_interrupt)
INTERRUPT(ipi, WOKEN_BY_interrupt)
#endif
