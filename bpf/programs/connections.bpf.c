// SPDX-License-Identifier: MIT
// TCP connections: their lives, and segments that are sent again.
//
// Most changes of state happen in interrupts, in which any thread may run. So a connection belongs to the process that
// connected or accepted it, or that has a descriptor of it; what happens later is found by its socket.

#define TCP_SYN_SENT 2  // include/net/tcp_states.h
#define TCP_SYN_RECV 3
#define TCP_FIN_WAIT1 4
#define TCP_FIN_WAIT2 5
#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8
#define TCP_LAST_ACK 9
#define TCP_LISTEN 10
#define TCP_CLOSING 11

#define EPIPE 32
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111

#define NO_PASS (~0U)
#define MINMAX_VALUE 4  // of struct minmax, the first sample's (include/linux/win_minmax.h)

#ifdef RECORDS_connection
BPF_ARRAY(connection_ids, u64, 1);

INLINE u64 new_connection_id(void)
{
	int zero = 0;
	u64 *last = connection_ids.lookup(&zero);
	return last ? __sync_fetch_and_add(last, 1) + 1 : 0;
}

// Whether the peer has closed its end.
INLINE u64 has_fin(void *sk)
{
	u64 flags = 0;
	KREAD(flags, sk, sock_common, skc_flags);
	return flags >> SOCK_DONE & 1;
}

// The kernel counts a FIN that came as a byte.
INLINE struct moved moved_by(void *sk)
{
	struct moved m = {};
	u32 segments = 0, retransmits = 0;
	KREAD(m.sent, sk, tcp_sock, bytes_sent);
	KREAD(m.resent, sk, tcp_sock, bytes_retrans);
	KREAD(m.received, sk, tcp_sock, bytes_received);
	KREAD(segments, sk, tcp_sock, data_segs_out);
	KREAD(retransmits, sk, tcp_sock, total_retrans);
	m.sent -= m.resent;
	m.received -= m.received ? has_fin(sk) : 0;
	m.segments = segments;
	m.retransmits = retransmits;
	return m;
}

INLINE int is_tcp(void *sk)
{
	u16 protocol = 0;
	KREAD(protocol, sk, sock, sk_protocol);
	return protocol == IPPROTO_TCP;
}

INLINE u8 state_of_tcp(void *sk)
{
	u8 state = 0;
	KREAD(state, sk, sock_common, skc_state);
	return state;
}

INLINE void keep_connection(void *sk, struct kept_connection *fresh)
{
	u64 id = (u64)sk;
	fresh->id = new_connection_id();
	fresh->closed_by = NO_CHOICE;
	fresh->pass = NO_PASS;
	if (connections.update(&id, fresh))
		lose(LOSS_connection_map);
}

// A process connects, or listens.
INLINE void begin_here(struct control *c, struct cpu_state *cpu, void *sk, u8 state, u64 now)
{
	struct who who;
	if (!identify(c, cpu, bpf_get_current_pid_tgid(), &who))
		return;
	struct kept_connection fresh = {.opened = now,
	                                .changed = now,
	                                .start = who.start,
	                                .pid = who.pid,
	                                .direction = DIRECTION_out,
	                                .state = state,
	                                .state_at_start = NO_CHOICE};
	fresh.before = moved_by(sk);  // of an earlier connection of this socket
	keep_connection(sk, &fresh);
}

// The last segment of a handshake has come.
INLINE void begin_from_peer(void *sk, u64 now)
{
	struct kept_connection fresh = {.opened = now,
	                                .changed = now,
	                                .direction = DIRECTION_in,
	                                .state = TCP_SYN_RECV,
	                                .state_at_start = NO_CHOICE};
	keep_connection(sk, &fresh);
}

// The current process, and no interrupt, closes a connection.
INLINE void close_here(struct control *c, struct cpu_state *cpu, struct kept_connection *kept)
{
	struct who who;
	if (!identify(c, cpu, bpf_get_current_pid_tgid(), &who))
		return;
	kept->holder_pid = who.pid;
	kept->holder_start = who.start;
	if (!kept->pid) {
		kept->pid = who.pid;
		kept->start = who.start;
	}
}

INLINE void change_connection(struct control *c, struct cpu_state *cpu, struct kept_connection *kept, u8 state, u64 now)
{
	kept->state = state;
	kept->changed = now;
	switch (state) {
	case TCP_ESTABLISHED:
		kept->established = now;
		break;
	case TCP_FIN_WAIT1:
		kept->closed_by = CLOSER_local;
		close_here(c, cpu, kept);
		break;
	case TCP_CLOSE_WAIT:
		kept->closed_by = CLOSER_remote;
		break;
	case TCP_LAST_ACK:
		close_here(c, cpu, kept);
		break;
	case TCP_CLOSING:
		kept->closed_by = CLOSER_both;
		break;
	}
}

// How a connection of this state ended, with the error that the process would get. A socket that a process closes with
// unread data, or without waiting (SO_LINGER), resets its connection only after it has left its state.
INLINE u8 end_of(void *sk, u8 state, u32 error)
{
	int closing = state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2;
	void *socket = NULL;
	if (state == TCP_SYN_SENT && !error)
		return END_given_up;
	if (state == TCP_SYN_SENT && error == ECONNREFUSED)
		return END_refused;
	if (error == ETIMEDOUT)
		return END_timed_out;
	KREAD(socket, sk, sock, sk_socket);
	if (error == ECONNRESET || error == EPIPE || error == ECONNREFUSED)
		return closing && !socket ? END_reset_after_close : END_reset_by_peer;
	if (error)
		return END_failed;
	if (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT || state == TCP_SYN_RECV)
		return END_reset;
	return closing && socket && !has_fin(sk) ? END_reset : END_closed;
}

INLINE void tell_ends(struct connection *e, void *sk)
{
	u16 family = 0, port = 0;
	void *net = NULL;
	KREAD(family, sk, sock_common, skc_family);
	e->family = family;
	KREAD(net, sk, sock_common, skc_net__net);
	KREAD(e->network_namespace, net, net, ns__inum);
	KREAD(port, sk, inet_sock, inet_sport);  // skc_num is 0 once it has ended
	e->local_port = swapped(port);
	KREAD(port, sk, sock_common, skc_dport);
	e->remote_port = swapped(port);
	ip_address(e->local_address, &e->local_address_len, sk, family, OFFSET_sock_common__skc_rcv_saddr, LOCAL_IP6);
	ip_address(e->remote_address, &e->remote_address_len, sk, family, OFFSET_sock_common__skc_daddr, REMOTE_IP6);
}

INLINE void tell_kept(struct connection *e, struct kept_connection *kept, struct moved *now)
{
	e->start = kept->start;
	e->pid = kept->pid;
	e->connection_id = kept->id;
	e->opened = kept->opened;
	if (kept->established && kept->opened && kept->direction == DIRECTION_out)
		e->handshake_ns = kept->established - kept->opened;
	e->tcp_state_ns = e->ts > kept->changed ? e->ts - kept->changed : 0;
	e->direction = kept->direction;
	e->state_at_start = kept->state_at_start;
	e->closed_by = kept->closed_by;
	e->holder_pid = kept->holder_pid;
	e->holder_start = kept->holder_start;
	e->sent_bytes = now->sent - kept->before.sent;
	e->received_bytes = now->received - kept->before.received;
	e->resent_bytes = now->resent - kept->before.resent;
	e->sent_segments = now->segments - kept->before.segments;
	e->retransmits = now->retransmits - kept->before.retransmits;
}

// Makes the row of a connection. `kept`: NULL if nothing is known of it.
INLINE void tell_connection(void *sk, struct kept_connection *kept, u64 ts, u8 state, u8 ended, u32 error)
{
	struct moved now = moved_by(sk);
	struct connection *e = connection_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		lose(LOSS_connection_ring);
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->ts = ts;
	e->handshake_ns = e->tcp_state_ns = UNKNOWN_NS;
	e->sent_bytes = e->received_bytes = e->resent_bytes = e->sent_segments = e->retransmits = UNKNOWN_BYTES;
	e->direction = e->state_at_start = e->closed_by = NO_CHOICE;
	e->local_address_len = e->remote_address_len = NO_LENGTH;
	tell_ends(e, sk);
	if (kept)
		tell_kept(e, kept, &now);
	KREAD(e->rtt_us, sk, tcp_sock, srtt_us);
	e->rtt_us >>= 3;
	bpf_probe_read_kernel(&e->min_rtt_us, sizeof(e->min_rtt_us), sk + OFFSET_tcp_sock__rtt_min + MINMAX_VALUE);
	e->tcp_state = state;
	e->ended = ended;
	e->errno = error;
	connection_ring.ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

INLINE void end_connection(struct control *c, struct cpu_state *cpu, void *sk, u8 state, u64 now)
{
	u64 id = (u64)sk;
	u32 error = 0;
	struct kept_connection *kept = connections.lookup(&id);
	KREAD(error, sk, sock, sk_err);
	u8 ended = end_of(sk, state, error);
	if (kept && (ended == END_reset || ended == END_given_up))
		close_here(c, cpu, kept);
	if (kept ? !c->filters || kept->pid : !c->filters)
		tell_connection(sk, kept, now, state, ended, error);
	connections.delete(&id);
}
#endif

PROGRAM(tcp_state)
{
#ifdef RECORDS_connection
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *sk = (void *)ctx->args[0];
	u8 before = ctx->args[1], state = ctx->args[2];
	u64 id = (u64)sk, now = bpf_ktime_get_boot_ns();
	if (!c || !cpu || before == state || !is_tcp(sk))
		return;
	if (state == TCP_SYN_SENT || state == TCP_LISTEN) {
		begin_here(c, cpu, sk, state, now);
	} else if (before == TCP_LISTEN) {
		if (state == TCP_SYN_RECV)
			begin_from_peer(sk, now);
		else
			connections.delete(&id);
	} else if (state == TCP_CLOSE) {
		end_connection(c, cpu, sk, before, now);
	} else {
		struct kept_connection *kept = connections.lookup(&id);
		if (kept)
			change_connection(c, cpu, kept, state, now);
	}
#endif
}

// Where the end of a connection was not seen, such as for a program that was running, it is here.
PROGRAM(tcp_destroy)
{
#ifdef RECORDS_connection
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *sk = (void *)ctx->args[0];
	u64 id = (u64)sk;
	struct kept_connection *kept = connections.lookup(&id);
	if (!c || !cpu || !kept)
		return;
	if (kept->state == TCP_LISTEN)
		connections.delete(&id);
	else
		end_connection(c, cpu, sk, kept->state, bpf_ktime_get_boot_ns());
#endif
}

#ifdef RECORDS_connection
// A process has a descriptor of a connection.
INLINE void hold_connection(struct control *c, struct kept_connection *kept, struct process *of)
{
	if (!kept->pid) {
		kept->pid = of->pid;
		kept->start = of->start;
	}
	if (c->epoch == 1)
		return;
	if (kept->pass == c->epoch && (kept->pid != of->pid || kept->start != of->start))
		return;
	kept->pass = c->epoch;
	kept->holder_pid = of->pid;
	kept->holder_start = of->start;
}

// Iterator of the descriptors of all processes: which connections there are when the recording begins, and who has
// those that there are when it, or a file of it, ends.
int on_descriptor(void *ctx)
{
	int zero = 0;
	struct control *c = controls.lookup(&zero);
	void *task = iterated(ctx);
	u64 file;
	asm volatile("%0 = *(u64 *)(%1 + 24)" : "=r"(file) : "r"(ctx));
	struct process of = {};
	u32 pid = 0;
	if (!c || !task || !file)
		return 0;
	u64 id = (u64)tcp_of((void *)file);
	if (!id)
		return 0;
	KREAD(pid, task, task_struct, tgid);
	if (!wants_other(c, pid, task))
		return 0;
	of.pid = pid;
	of.start = start_of(task);
	struct kept_connection *kept = connections.lookup(&id);
	u8 state = state_of_tcp((void *)id);
	if (!kept && c->epoch == 1 && state != TCP_CLOSE) {
		struct kept_connection fresh = {
			.changed = c->t0, .direction = NO_CHOICE, .state = state, .state_at_start = state};
		fresh.before = moved_by((void *)id);
		keep_connection((void *)id, &fresh);
		kept = connections.lookup(&id);
	}
	if (kept)
		hold_connection(c, kept, &of);
	return 0;
}

// Run by the recorder for each connection that goes on: with its socket, and the time [ns, CLOCK_BOOTTIME].
int on_connection(struct bpf_raw_tracepoint_args *ctx)
{
	int zero = 0;
	struct control *c = controls.lookup(&zero);
	void *sk = (void *)ctx->args[0];
	u64 id = (u64)sk;
	struct kept_connection *kept = connections.lookup(&id);
	if (!c || !kept || kept->state == TCP_LISTEN || (c->filters && !kept->pid))
		return 0;
	u8 state = state_of_tcp(sk);
	if (state != kept->state)  // it has ended since nothing is recorded any more
		return 0;
	if (kept->pass != c->epoch)
		kept->holder_pid = kept->holder_start = 0;
	tell_connection(sk, kept, ctx->args[1], state, NO_CHOICE, 0);
	kept->holder_pid = kept->holder_start = 0;
	kept->before = moved_by(sk);
	kept->state_at_start = state;
	return 0;
}
#endif

#ifdef RECORDS_retransmit
// Counts segments that are sent again. `at`: the struct that has the addresses.
INLINE void count_retransmit(void *sk, void *at, u8 what, u64 segments)
{
	struct control *c = recording();
	u64 id = (u64)sk;
	struct kept_connection *kept = connections.lookup(&id);
	struct retransmit_key key = {.segment = what, .direction = NO_CHOICE, .remote_address_len = NO_LENGTH};
	u16 family = 0, port = 0;
	if (!c || (c->filters && !(kept && kept->pid)))
		return;
	if (kept) {
		key.pid = kept->pid;
		key.start = kept->start;
		key.direction = sk == at ? kept->direction : DIRECTION_in;
	}
	KREAD(family, at, sock_common, skc_family);
	key.family = family;
	KREAD(key.local_port, at, sock_common, skc_num);
	KREAD(port, at, sock_common, skc_dport);
	key.remote_port = swapped(port);
	if (key.direction == DIRECTION_in)
		key.remote_port = 0;
	else
		key.local_port = 0;
	ip_address(key.remote_address, &key.remote_address_len, at, family, OFFSET_sock_common__skc_daddr, REMOTE_IP6);
	struct retransmit_val *v = retransmit_cell(c, &key);
	if (v)
		__sync_fetch_and_add(&v->segments, segments);  // interrupts of this CPU count, too
}
#endif

PROGRAM(tcp_retransmit)
{
#ifdef RECORDS_retransmit
	void *sk = (void *)ctx->args[0], *skb = (void *)ctx->args[1];
	u16 segments = 0;
	u8 state = state_of_tcp(sk);
#ifdef RETRANSMIT_SAYS_ERROR
	if ((int)ctx->args[2])  // nothing was sent, as without a route or while the segment is still in a queue
		return;
#endif
	KREAD(segments, skb + OFFSET_sk_buff__cb, tcp_skb_cb, tcp_gso_segs);
	count_retransmit(sk, sk, state == TCP_SYN_SENT ? SEGMENT_SYN : SEGMENT_data, segments);
#endif
}

PROGRAM(tcp_synack)
{
#ifdef RECORDS_retransmit
	count_retransmit((void *)ctx->args[0], (void *)ctx->args[1], SEGMENT_SYN_ACK, 1);
#endif
}
