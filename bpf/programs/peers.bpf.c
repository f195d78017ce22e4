// SPDX-License-Identifier: MIT
// Datagrams: how many each process sent to and received from whom. And sends that connect, which are events of sockets.
//
// A call that carries messages goes on here when it has returned, by its number: the peer stands in what it was given.
// Datagrams that a read, a write or io_uring moves are seen at the socket instead (Linux 6.3), so that no other read pays
// for them: there only the connected peer is known. Streams leave both at once.

#define EAGAIN 11
#define RCV_SHUTDOWN 1      // include/net/sock.h
#define TCP_ESTABLISHED 1   // a datagram socket that is connected
#define MESSAGES_AT_ONCE 8  // so many for each program; a chain of 33 is what the kernel lets through

#ifdef RECORDS_peer
INLINE int has_datagrams(u16 family, u16 type)
{
	if (family == AF_UNIX)
		return type == SOCK_DGRAM;
	return (family == AF_INET || family == AF_INET6) && (type == SOCK_DGRAM || type == SOCK_RAW);
}

// A key of all but the peer.
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

// The peer that the socket is connected to, if it is.
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

// As the kernel has an IPv4 address in a socket of IPv6: ::ffff:a.b.c.d.
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

// What is sent to no address goes to the own one, or to that of the loopback (ip_route_output_key_hash_rcu(),
// net/ipv4/route.c; udpv6_sendmsg(), net/ipv6/udp.c).
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

// The peer that a call named, or was told.
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

// One datagram of so many bytes, or a call that failed.
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

// Whether the result is of no datagram and of no failure: it has to be asked again, or nothing will come any more.
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
// One message: whom it is to or from, and how long it is. Of a call that failed its error.
INLINE s64 read_message(struct shape *shape, void *regs, s64 result, struct returned *call, struct passed *passed)
{
	u32 length = 0;
	if (result < 0 || shape->moves_bytes != MOVES_MESSAGES) {
		*passed = named(shape, regs, result);
		if (result < 0 && is_receiving(shape))
			passed->at = NULL;  // nothing was put there
		return result < 0 ? result : call->bytes;
	}
	void *at = (void *)argument(regs, 2) + call->counted * sizeof(struct sent_message);
	if (name_of_message(passed, at) || bpf_probe_read_user(&length, sizeof(length), at + sizeof(struct message)))
		lose(LOSS_message_unreadable);
	return length;
}

// Counts messages of a call, from the first that was not counted on. Returns whether there are more.
//
// What can be had again is not kept: a program has 512 bytes for all that it keeps.
INLINE int count_messages(struct bpf_raw_tracepoint_args *ctx, struct shape *shape, void *sk, struct returned *call,
                          u64 start, u16 family, u16 type)
{
	for (u32 i = 0; i < MESSAGES_AT_ONCE; i++) {
		struct passed passed = {};
		struct peer_key key;
		struct control *c = recording();
		if (!c)
			return 0;
		begin_key(&key, sk, family, type, start);
		s64 bytes = read_message(shape, (void *)ctx->args[0], ctx->args[1], call, &passed);
		if (passed.at)
			named_peer(&key, &passed, sk, is_receiving(shape));
		else
			connected_peer(&key, sk);
		count_datagram(c, &key, is_receiving(shape), bytes);
		call->counted++;
		call->bytes -= bytes;
		if (shape->moves_bytes != MOVES_MESSAGES || (s64)call->counted >= (s64)ctx->args[1])
			return 0;
	}
	return 1;
}
#endif

#ifdef RECORDS_peer
// What is left of a vector that is longer than a chain of programs: how much, and not from or to whom.
INLINE void count_rest(struct bpf_raw_tracepoint_args *ctx, struct shape *shape, void *sk, struct returned *call,
                       u64 start, u16 family, u16 type)
{
	struct control *c = recording();
	struct peer_key key;
	if (!c)
		return;
	begin_key(&key, sk, family, type, start);
	connected_peer(&key, sk);
	struct peer_val *v = peer_cell(c, &key);
	if (!v)
		return;
	u64 messages = ctx->args[1] - call->counted;
	if (is_receiving(shape)) {
		ADD(v->datagrams_received, messages);
		ADD(v->datagram_bytes_received, call->bytes);
	} else {
		ADD(v->datagrams_sent, messages);
		ADD(v->datagram_bytes_sent, call->bytes);
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
	u64 of = family, kind = type;
	FORGET(of, (u64)sk);
	FORGET(kind, (u64)sk);
	FORGET(call.counted, (u64)sk);
	FORGET(call.bytes, (u64)sk);
	if (count_messages(ctx, shape, sk, &call, who.start, of, kind)) {
		go_on(ctx, MESSAGE_CALL, call);
		count_rest(ctx, shape, sk, &call, who.start, of, kind);
	}
#endif
	return 0;
}
#endif

#ifdef RECORDS_peer
// A socket has sent or received by another call than those.
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
}

int on_sock_send(struct bpf_raw_tracepoint_args *ctx)
{
	LEAVE_MARK(sock_send);
	moved_by_other_call(ctx, 0);
	return 0;
}

int on_sock_recv(struct bpf_raw_tracepoint_args *ctx)
{
	LEAVE_MARK(sock_recv);
	moved_by_other_call(ctx, 1);
	return 0;
}

#define record_sock_send(ctx) moved_by_other_call(ctx, 0)
#define record_sock_recv(ctx) moved_by_other_call(ctx, 1)
AGAIN(sock_send)
AGAIN(sock_recv)
#endif
