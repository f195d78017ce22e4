// SPDX-License-Identifier: MIT
// Limits each kind of event to MAX_RATE a second: compiled in only on request.
//
// A second starts with the first event of a kind. Events above the limit are counted as throttled and cost nothing
// else: no space is reserved, no path is read. The same applies for FULL_NS after a ring of the kind was full. All CPUs
// share the count: CPUs that start a second at the same moment may together exceed the limit by a few events.

#ifdef MAX_RATE
BPF_ARRAY(rates, struct rate, THROTTLED_KINDS);

// Whether to drop an event of a kind, and count it as such.
INLINE int is_throttled(u32 kind, u32 cause)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct rate *r = rates.lookup(&kind);
	if (!r)
		return 0;
	if (now >= r->until) {
		r->made = 0;
		r->until = now + SECOND_NS;
	}
	if (now >= r->full) {
		if (r->made < MAX_RATE) {
			__sync_fetch_and_add(&r->made, 1);
			return 0;
		}
		if (r->up_at != r->until) {
			r->reason = REASON_rate;
			r->down_at = now;
			r->up_at = r->until;
		}
	}
	lose(cause);
	return 1;
}

INLINE void throttle(u32 kind)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct rate *r = rates.lookup(&kind);
	if (!r)
		return;
	r->reason = REASON_ring_full;
	r->full = now + FULL_NS;
	r->down_at = now;
	r->up_at = r->full;
}
#else
INLINE int is_throttled(u32 kind, u32 cause)
{
	return 0;
}

INLINE void throttle(u32 kind)
{
}
#endif

#define THROTTLED(kind) is_throttled(THROTTLE_##kind, LOSS_##kind##_throttled)

// An event found its ring full.
#define NO_ROOM(kind)                                                                                                  \
	do {                                                                                                           \
		lose(LOSS_##kind##_ring);                                                                              \
		throttle(THROTTLE_##kind);                                                                             \
	} while (0)
