// SPDX-License-Identifier: MIT
// Datagrams counted per process and peer. And sends that connect, which are socket events.
//
// A call that carries messages is dispatched here by its number when it returns: the peer is in its arguments.
// Datagrams moved by read, write or io_uring are counted at the socket instead (Linux 6.3), so that other reads do not
// pay for them; only a connected peer is known there. Both leave at once for stream sockets.

#define EAGAIN 11
#define RCV_SHUTDOWN 1     // include/net/sock.h
#define TCP_ESTABLISHED 1  // state of a connected datagram socket
#ifdef TAIL_CALLS_BESIDE_FUNCTIONS
#define MESSAGES_AT_ONCE MOST_MESSAGES
#else
#define MESSAGES_AT_ONCE 8  // per program run; the kernel allows a chain of 33 tail calls
#endif

#ifdef RECORDS_peer
INLINE int has_datagrams(u16 family, u16 type)
{
	if (family == AF_UNIX)
		return type == SOCK_DGRAM;
	return (family == AF_INET || family == AF_INET6) && (type == SOCK_DGRAM || type == SOCK_RAW);
}

// The key, without the peer.
INLINE void begin_key(struct peer_key *key, void *sk, u16 family, u16 type, u64 start)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->start = start;
	key->pid = bpf_get_current_pid_tgid() >> 32;
	key->family = family;
	key->socket_type = type;
	KREAD(key->protocol, sk, sock, sk_protocol);
	key->remote_address_len = NO_LENGTH;
}

// The peer that the socket is connected to, if any.
INLINE void connected_peer(struct peer_key *key, void *sk)
{
	u16 port = 0;
	u8 state = 0;
	if (key->family == AF_UNIX) {
#ifdef HAVE_UNIX_ADDRESSES
		void *peer = NULL;
		KREAD(peer, sk, unix_sock, peer);
		if (peer)
			unix_address(peer, key->remote_address, &key->remote_address_len);
#endif
		return;
	}
	KREAD(state, sk, sock_common, skc_state);
	if (state != TCP_ESTABLISHED)
		return;
	KREAD(port, sk, sock_common, skc_dport);
	key->remote_port = swapped(port);
	ip_address(key->remote_address, &key->remote_address_len, sk, key->family, OFFSET_sock_common__skc_daddr,
	           REMOTE_IP6);
}

// An IPv4 address as the kernel stores it in an IPv6 socket: ::ffff:a.b.c.d.
INLINE void map_ip4(struct peer_key *key)
{
	u8 *a = key->remote_address;
	a[12] = a[0];
	a[13] = a[1];
	a[14] = a[2];
	a[15] = a[3];
	a[0] = a[1] = a[2] = a[3] = 0;
	a[10] = a[11] = 0xff;
	key->remote_address_len = 16;
}

// A datagram sent to the unspecified address goes to the socket's own address, or to loopback
// (ip_route_output_key_hash_rcu(), net/ipv4/route.c; udpv6_sendmsg(), net/ipv6/udp.c).
INLINE void any_is_own(struct peer_key *key, void *sk)
{
	u8 *a = key->remote_address, bits = 0;
	for (int i = 0; i < 16; i++)
		bits |= a[i];
	if (bits)
		return;
	if (key->remote_address_len == 16)
		a[15] = 1;
	if (key->remote_address_len != 4)
		return;
	bpf_probe_read_kernel(a, 4, sk + OFFSET_sock_common__skc_rcv_saddr);
	if (!(a[0] | a[1] | a[2] | a[3])) {
		a[0] = 127;
		a[3] = 1;
	}
}

// The peer that was passed to the call, or returned by it.
INLINE void named_peer(struct peer_key *key, struct passed *passed, void *sk, int receives)
{
	passed_address(passed, key->remote_address, &key->remote_address_len, &key->remote_port);
	if (key->family == AF_UNIX)
		return;
	if (key->remote_address_len == NO_LENGTH)  // AF_UNSPEC
		connected_peer(key, sk);
	if (key->remote_address_len == 4 && key->family == AF_INET6)
		map_ip4(key);
	if (!receives)
		any_is_own(key, sk);
}

// Counts one datagram with its bytes, or a failed call.
INLINE void count_datagram(struct control *c, struct peer_key *key, int receives, s64 bytes)
{
	struct peer_val *v = peer_cell(c, key);
	if (!v)
		return;
	if (bytes < 0) {
		ADD(v->datagram_errors, 1);
	} else if (receives) {
		ADD(v->datagrams_received, 1);
		ADD(v->datagram_bytes_received, bytes);
	} else {
		ADD(v->datagrams_sent, 1);
		ADD(v->datagram_bytes_sent, bytes);
	}
}

// Whether the result is neither a datagram nor a failure: try again, or end of input.
INLINE int is_of_nothing(s64 result, int receives, void *sk)
{
	u8 shutdown = 0;
	if (result == -EAGAIN || result == -EINTR || result <= -ERESTARTSYS)
		return 1;
	if (result || !receives)
		return 0;
	KREAD(shutdown, sk, sock, sk_shutdown);
	return shutdown & RCV_SHUTDOWN;
}
#endif

INLINE int is_receiving(struct shape *shape)
{
	return shape->form == FORM_RECVFROM || shape->form == FORM_RECVMSG || shape->form == FORM_RECVMMSG;
}

#ifdef RECORDS_peer
// State while the messages of a call are counted one by one.
struct counting {
	struct shape *shape;
	void *regs, *sk;
	s64 result;
	u64 start, entered, ts, counted, bytes;  // as in struct returned
	u32 family, type;
	u64 of_dns, looked_at;  // messages of DNS that were noted
};

// One message: its peer and its length, or the error of a failed call.
INLINE s64 read_message(struct counting *m, struct passed *passed)
{
	u32 length = 0;
	if (m->result < 0 || m->shape->moves_bytes != MOVES_MESSAGES) {
		*passed = named(m->shape, m->regs, m->result);
		if (m->result < 0 && is_receiving(m->shape))
			passed->at = NULL;  // nothing was written there
		return m->result < 0 ? m->result : m->bytes;
	}
	void *at = (void *)argument(m->regs, 2) + m->counted * sizeof(struct sent_message);
	if (name_of_message(passed, at) || bpf_probe_read_user(&length, sizeof(length), at + sizeof(struct message)))
		lose(LOSS_message_unreadable);
	return length;
}

// Counts the next message. Returns 1 after the last one.
INLINE int count_message(struct counting *m)
{
	struct passed passed = {};
	struct peer_key key;
	struct control *c = recording();
	if (!c)
		return 1;
	begin_key(&key, m->sk, m->family, m->type, m->start);
	s64 bytes = read_message(m, &passed);
	if (passed.at)
		named_peer(&key, &passed, m->sk, is_receiving(m->shape));
	else
		connected_peer(&key, m->sk);
	count_datagram(c, &key, is_receiving(m->shape), bytes);
#ifdef RECORDS_dns
	if (key.remote_port == DNS_PORT && bytes > 0 && note_dns(m->of_dns, &key, m->counted, bytes))
		STORE_FORGOTTEN(m->of_dns, m->of_dns + 1, m->sk);
#endif
	STORE_FORGOTTEN(m->counted, m->counted + 1, m->sk);
	STORE_FORGOTTEN(m->bytes, m->bytes - bytes, m->sk);
	return m->shape->moves_bytes != MOVES_MESSAGES || (s64)m->counted >= m->result;
}
CALLBACK(count_message, struct counting)
#endif

#ifdef RECORDS_dns
// Where the bytes of a message are.
INLINE void *bytes_of_message(struct counting *m)
{
	u64 pieces = 0, begin = 0;
	void *at = (void *)argument(m->regs, 2);
	if (m->shape->form == FORM_SENDTO || m->shape->form == FORM_RECVFROM)
		return at;
	if (m->shape->moves_bytes == MOVES_MESSAGES)
		at += m->counted * sizeof(struct sent_message);
	if (bpf_probe_read_user(&pieces, sizeof(pieces), at + __builtin_offsetof(struct message, pieces)) ||
	    bpf_probe_read_user(&begin, sizeof(begin), (void *)pieces))
		return NULL;
	return (void *)begin;
}

// Looks at the next of the messages that were noted. Returns 1 after the last one.
INLINE int look_at_message(struct counting *m)
{
	int zero = 0, receives = is_receiving(m->shape);
	struct control *c = recording();
	struct dns_work *w = dns_work.lookup(&zero);
	u64 place = m->looked_at;
	if (!c || !w || place >= m->of_dns)
		return 1;
	BOUND_HERE(place);
	struct dns_peer *peer = &w->peers[place % MOST_DNS];
	u64 bytes = m->result;
	m->counted = peer->message;
	if (m->shape->moves_bytes == MOVES_MESSAGES)
		bytes = peer->bytes;
	look_at_dns(c, w, m->sk, peer, m->start, receives, bytes_of_message(m), bytes,
	            receives || !m->entered ? m->ts : m->entered);
	STORE_FORGOTTEN(m->looked_at, m->looked_at + 1, m->sk);
	return 0;
}
CALLBACK(look_at_message, struct counting)
#endif

#ifdef RECORDS_peer
// The rest of a vector that is too long for a chain of tail calls: counted without its peers.
INLINE void count_rest(struct counting *m)
{
	struct control *c = recording();
	struct peer_key key;
	if (!c)
		return;
	begin_key(&key, m->sk, m->family, m->type, m->start);
	connected_peer(&key, m->sk);
	struct peer_val *v = peer_cell(c, &key);
	if (!v)
		return;
	u64 messages = m->result - m->counted;
	if (is_receiving(m->shape)) {
		ADD(v->datagrams_received, messages);
		ADD(v->datagram_bytes_received, m->bytes);
	} else {
		ADD(v->datagrams_sent, messages);
		ADD(v->datagram_bytes_sent, m->bytes);
	}
}
#endif

#if defined(RECORDS_peer) || defined(RECORDS_socket)
int on_message(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *regs = (void *)ctx->args[0];
	struct returned call = take_returned(regs, 0);
	struct shape *shape = shape_of(call.nr);
	u16 family = 0, type = 0;
	if (!c || !cpu || !shape)
		return 0;
	void *sk = socket_at(argument(regs, 1), (s64)ctx->args[1] >= 0);
	if (!sk)
		return 0;
	KREAD(type, sk, sock, sk_type);
#ifdef RECORDS_socket
	if (type == SOCK_STREAM && !is_receiving(shape) && message_flags(shape, regs) & MSG_FASTOPEN) {
		KREAD(family, sk, sock_common, skc_family);
		if (family == AF_INET || family == AF_INET6)
			go_on(ctx, SOCKET_CALL, call);
		return 0;
	}
#endif
#ifdef RECORDS_peer
	if (type == SOCK_STREAM)
		return 0;
	KREAD(family, sk, sock_common, skc_family);
	if (!has_datagrams(family, type))
		return 0;
	struct who who;
	identify(c, cpu, call.caller, &who);
	if (is_of_nothing(ctx->args[1], is_receiving(shape), sk))
		return 0;
	if (is_receiving(shape) && message_flags(shape, regs) & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	struct counting m = {.shape = shape,
	                     .regs = regs,
	                     .sk = sk,
	                     .result = ctx->args[1],
	                     .start = who.start,
	                     .entered = call.entered,
	                     .ts = call.ts};
	STORE_FORGOTTEN(m.counted, call.counted, sk);
	STORE_FORGOTTEN(m.bytes, call.bytes, sk);
	STORE_FORGOTTEN(m.family, family, sk);
	STORE_FORGOTTEN(m.type, type, sk);
	REPEAT_BESIDE_TAIL_CALLS(MESSAGES_AT_ONCE, count_message, &m);
#ifdef RECORDS_dns
	if (m.of_dns) {
		u64 counted = m.counted;
		REPEAT_BESIDE_TAIL_CALLS(MOST_DNS, look_at_message, &m);
		m.counted = counted;
	}
#endif
	if (MESSAGES_AT_ONCE < MOST_MESSAGES && shape->moves_bytes == MOVES_MESSAGES && (s64)m.counted < m.result) {
		call.counted = m.counted;
		call.bytes = m.bytes;
		go_on(ctx, MESSAGE_CALL, call);
		count_rest(&m);
	}
#endif
	return 0;
}
#endif

#ifdef RECORDS_peer
// A socket has sent or received through any other call.
INLINE void moved_by_other_call(struct bpf_raw_tracepoint_args *ctx, int receives)
{
	void *sk = (void *)ctx->args[0];
	s64 result = (s32)ctx->args[1];
	u32 flags = ctx->args[2];
	u16 type = 0, family = 0;
	struct who who;
	KREAD(type, sk, sock, sk_type);
	if (type != SOCK_DGRAM && type != SOCK_RAW)
		return;
	KREAD(family, sk, sock_common, skc_family);
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	u64 me = bpf_get_current_pid_tgid();
	if (!c || !cpu || !has_datagrams(family, type) || is_of_nothing(result, receives, sk))
		return;
	if (receives && flags & (MSG_PEEK | MSG_ERRQUEUE))
		return;
	struct call call = call_of(cpu, me);
	struct shape *shape = shape_of(call.nr);
	if (call.entered && shape && shape->hook == MESSAGE_CALL) {
		cpu->message = me;
		return;
	}
	if (call.entered == OUTSIDE || !identify(c, cpu, me, &who))
		return;
	struct peer_key key;
	begin_key(&key, sk, family, type, who.start);
	connected_peer(&key, sk);
	count_datagram(c, &key, receives, result);
#ifdef RECORDS_dns
	void *regs = NULL;
	if (key.remote_port != DNS_PORT || result <= 0 ||
	    call_in(CURRENT_TASK(), &regs) != (receives ? NR_read : NR_write))
		return;
	int zero = 0;
	struct dns_work *w = dns_work.lookup(&zero);
	if (w && note_dns(0, &key, 0, result))
		look_at_dns(c, w, sk, &w->peers[0], who.start, receives, (void *)argument(regs, 2), result,
		            bpf_ktime_get_boot_ns());
#endif
}

PROGRAM(sock_send)
{
	moved_by_other_call(ctx, 0);
}

PROGRAM(sock_recv)
{
	moved_by_other_call(ctx, 1);
}
#endif
