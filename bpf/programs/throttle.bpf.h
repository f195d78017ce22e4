// SPDX-License-Identifier: MIT
// Kinds of events of which no more than MAX_RATE are made in a second: compiled in only if that was asked for.
//
// From the first event of a kind on a second is counted. What comes in it after so many is counted as stepped down, and
// nothing else is done for it: no room is taken, no path read. So it is for FULL_NS from when a ring of the kind is full.
// All CPUs share the count: several that begin a second at once may make a few events more than that.

#ifdef MAX_RATE
BPF_ARRAY(steps, struct rate, STEPS);

// Whether an event of a kind is not to be made, which is then counted.
INLINE int is_stepped_down(u32 kind, u32 cause)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct rate *r = steps.lookup(&kind);
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

INLINE void step_down(u32 kind)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct rate *r = steps.lookup(&kind);
	if (!r)
		return;
	r->reason = REASON_ring_full;
	r->full = now + FULL_NS;
	r->down_at = now;
	r->up_at = r->full;
}
#else
INLINE int is_stepped_down(u32 kind, u32 cause)
{
	return 0;
}

INLINE void step_down(u32 kind)
{
}
#endif

#define STEPPED_DOWN(kind) is_stepped_down(STEP_##kind, LOSS_##kind##_stepped)

// An event found no room.
#define NO_ROOM(kind)                                                                                                  \
	do {                                                                                                           \
		lose(LOSS_##kind##_ring);                                                                              \
		step_down(STEP_##kind);                                                                                \
	} while (0)
