// SPDX-License-Identifier: MIT
// Sockets created, connected, accepted, bound, listened on and shut down: one row for each such call that returned.
//
// Addresses are those in the kernel's socket when the call returns. A failed connect or bind leaves nothing there: then
// they are those that were passed. A send with MSG_FASTOPEN connects, too.

#define SOCK_STREAM 1  // include/linux/net.h
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define EINTR 4
#define EINPROGRESS 115
#define ERESTARTSYS 512  // include/linux/errno.h
#define SUN_PATH 108     // of struct sockaddr_un

// Keeps clang from comparing a copy, which teaches the verifier nothing about the original.
#define BOUND_HERE(n) asm volatile("" : "+r"(n))

INLINE u16 swapped(u16 be)
{
	return be >> 8 | be << 8;
}

// The beginning of every sockaddr; port and address of both IP families.
struct address_head {
	u16 family, port;
	u32 ip4;
	u8 ip6[16];
};

// Where a call was passed an address, or returned one.
struct passed {
	void *at;
	u32 bytes;
	s64 result;  // of the call
};

INLINE void passed_address(struct passed *p, u8 *to, u32 *length, u16 *port)
{
	struct address_head head = {};
	void *at = p->at;
	u32 bytes = p->bytes;
	if (bytes < 2)
		return;
	if (bytes >= sizeof(head) ? bpf_probe_read_user(&head, sizeof(head), at)
	                          : bpf_probe_read_user(&head, bytes >= 8 ? 8 : 2, at)) {
		if (p->result != -EFAULT)
			lose(LOSS_address_unreadable);
		return;
	}
	if (head.family == AF_INET && bytes >= 8) {
		*port = swapped(head.port);
		*length = sizeof(head.ip4);
		__builtin_memcpy(to, &head.ip4, sizeof(head.ip4));
	} else if (head.family == AF_INET6 && bytes >= sizeof(head)) {
		*port = swapped(head.port);
		*length = sizeof(head.ip6);
		__builtin_memcpy(to, &head.ip6, sizeof(head.ip6));
	} else if (head.family == AF_UNIX) {
		u64 n = bytes - 2;
		BOUND_HERE(n);
		if (n > SUN_PATH)
			n = SUN_PATH;
		if (n && !bpf_probe_read_user(to, n, at + 2))
			*length = n;
	}
}

// A kernel without IPv6 has neither these members nor such sockets.
#ifdef HAVE_sock_common__skc_v6_rcv_saddr
#define LOCAL_IP6 OFFSET_sock_common__skc_v6_rcv_saddr
#else
#define LOCAL_IP6 0
#endif
#ifdef HAVE_sock_common__skc_v6_daddr
#define REMOTE_IP6 OFFSET_sock_common__skc_v6_daddr
#else
#define REMOTE_IP6 0
#endif

// Copies one of the socket's addresses, at offsets `ip4` and `ip6`; 0: there is none.
INLINE void ip_address(u8 *to, u32 *length, void *sk, u16 family, u32 ip4, u32 ip6)
{
	if (family == AF_INET) {
		*length = 4;
		bpf_probe_read_kernel(to, 4, sk + ip4);
	}
	if (family == AF_INET6 && ip6) {
		*length = 16;
		bpf_probe_read_kernel(to, 16, sk + ip6);
	}
}

INLINE void ip_addresses(struct socket *e, void *sk, u16 family)
{
	u16 local_port = 0, remote_port = 0;
	KREAD(local_port, sk, sock_common, skc_num);
	KREAD(remote_port, sk, sock_common, skc_dport);
	if (local_port) {
		e->local_port = local_port;
		ip_address(e->local_address, &e->local_address_len, sk, family, OFFSET_sock_common__skc_rcv_saddr,
		           LOCAL_IP6);
	}
	if (remote_port) {
		e->remote_port = swapped(remote_port);
		ip_address(e->remote_address, &e->remote_address_len, sk, family, OFFSET_sock_common__skc_daddr,
		           REMOTE_IP6);
	}
}

#ifdef HAVE_unix_sock__addr
#ifdef HAVE_unix_sock__peer
#ifdef HAVE_unix_address__len
#ifdef HAVE_unix_address__name
#define HAVE_UNIX_ADDRESSES
#endif
#endif
#endif
#endif

#ifdef HAVE_UNIX_ADDRESSES
INLINE void unix_address(void *sk, u8 *to, u32 *length)
{
	void *address = NULL;
	u32 bytes = 0;
	KREAD(address, sk, unix_sock, addr);
	if (!address)
		return;
	KREAD(bytes, address, unix_address, len);
	if (bytes <= 2)
		return;
	u64 n = bytes - 2;
	BOUND_HERE(n);
	if (n > SUN_PATH)
		n = SUN_PATH;
	if (!bpf_probe_read_kernel(to, n, address + OFFSET_unix_address__name + 2))
		*length = n;
}
#endif

// The struct sock behind a descriptor; NULL if it is not a socket. `is_one`: the call would have failed on anything else.
INLINE void *socket_at(s32 fd, int is_one)
{
	void *file = fd < 0 ? NULL : own_file(fd);
	void *inode = NULL, *socket = NULL, *sk = NULL;
	u16 mode = S_IFSOCK;
	if (!file)
		return NULL;
	if (!is_one) {
		KREAD(inode, file, file, f_inode);
		KREAD(mode, inode, inode, i_mode);
	}
	if ((mode & S_IFMT) != S_IFSOCK)
		return NULL;
	KREAD(socket, file, file, private_data);
	KREAD(sk, socket, socket, sk);
	return sk;
}

// What the kernel knows of the socket behind a descriptor.
INLINE void read_socket(struct socket *e, s32 fd)
{
	void *sk = socket_at(fd, 0);
	u16 family = 0, type = 0;
	if (!sk)
		return;
	KREAD(type, sk, sock, sk_type);
	KREAD(family, sk, sock_common, skc_family);
	KREAD(e->protocol, sk, sock, sk_protocol);
	e->socket_type = type;
	e->family = family;
	if (family == AF_INET || family == AF_INET6)
		ip_addresses(e, sk, family);
#ifdef HAVE_UNIX_ADDRESSES
	if (family == AF_UNIX) {
		void *peer = NULL;
		unix_address(sk, e->local_address, &e->local_address_len);
		KREAD(peer, sk, unix_sock, peer);
		if (peer)
			unix_address(peer, e->remote_address, &e->remote_address_len);
	}
#endif
}

#ifdef HAVE_unix_sock__path
// The unix socket that the call is about: the one connected to, or the descriptor's own. If it has a path, sets `at`.
INLINE int find_unix_path(struct place *at, struct shape *shape, s32 fd)
{
	void *file = fd < 0 ? NULL : own_file(fd);
	void *inode = NULL, *socket = NULL, *sk = NULL, *peer = NULL;
	u16 mode = 0, family = 0;
	if (!file)
		return 0;
	KREAD(inode, file, file, f_inode);
	KREAD(mode, inode, inode, i_mode);
	if ((mode & S_IFMT) != S_IFSOCK)
		return 0;
	KREAD(socket, file, file, private_data);
	KREAD(sk, socket, socket, sk);
	KREAD(family, sk, sock_common, skc_family);
	if (family != AF_UNIX)
		return 0;
	if (shape->form == FORM_CONNECT) {
		KREAD(peer, sk, unix_sock, peer);
		sk = peer;
	}
	if (!sk)
		return 0;
	KREAD(*at, sk, unix_sock, path);
	if (at->mount)
		at->mount = MOUNT_OF(at->mount);
	return at->dentry != NULL;
}
#endif

// The path passed to a failed connect or bind, and the directory it is relative to. Returns the length of the path; 0:
// there is none.
INLINE u64 passed_unix_path(struct socket *e, struct place *at, void *regs)
{
	void *address = (void *)argument(regs, 2);
	u64 bytes = (u32)argument(regs, 3);
	u8 head[4] = {};  // the family, and the first byte of the path
	if (bytes < sizeof(head) || bpf_probe_read_user(head, sizeof(head), address))
		return 0;
	if (*(u16 *)head != AF_UNIX || !head[2])
		return 0;
	u32 absolute = head[2] == '/';
	u64 room = bytes - 2 + 1;
	BOUND_HERE(room);
	if (room > SUN_PATH + 1)
		room = SUN_PATH + 1;
	long n = bpf_probe_read_user_str(e->unix_path, room, address + 2 + absolute);
	if (n <= 0 || n > SUN_PATH + 1)
		return 0;
	if (absolute)
		root_of(at);
	else
		cwd_of(at);
	return n;
}

// Where a unix socket is in the file system. Must be called first: it may overwrite what follows.
INLINE void read_unix_path(struct socket *e, struct shape *shape, void *regs)
{
	e->unix_path_len = NO_LENGTH;
	e->mount_namespace = 0;
#ifdef HAVE_unix_sock__path
	struct place at = {};
	u64 first = 0;
	if (!find_unix_path(&at, shape, shape->form == FORM_ACCEPT && e->result >= 0 ? e->result : e->fd)) {
		if (shape->form != FORM_CONNECT && shape->form != FORM_BIND)
			return;
		first = passed_unix_path(e, &at, regs);
		if (!first)
			return;
	}
	BOUND_HERE(first);
	if (first > SUN_PATH + 1)
		return;
	int n = read_names(e->unix_path + first, &e->unix_path_len, sizeof(e->unix_path) - SUN_PATH - 1,
	                   sizeof(e->local_address), &at, &e->mount_namespace);
	e->unix_path_len = n > 0 || (n == 0 && first) ? n + first : NO_LENGTH;
#endif
}

// The address of a struct message is its first member.
INLINE int name_of_message(struct passed *p, void *message)
{
	struct {
		u64 at;
		u32 bytes, unused;
	} name = {};
	int failed = bpf_probe_read_user(&name, sizeof(name), message);
	p->at = (void *)name.at;
	p->bytes = name.bytes;
	return failed;
}

// Where a call that carries messages names the peer of the first.
INLINE struct passed named(struct shape *shape, void *regs, s64 result)
{
	struct passed p = {.result = result};
	if (shape->form == FORM_SENDTO || shape->form == FORM_RECVFROM) {
		p.at = (void *)argument(regs, 5);
		p.bytes = argument(regs, 6);
		if (p.at && shape->form == FORM_RECVFROM)
			bpf_probe_read_user(&p.bytes, sizeof(p.bytes), (void *)argument(regs, 6));
	} else {
		name_of_message(&p, (void *)argument(regs, 2));
	}
	return p;
}

INLINE u32 message_flags(struct shape *shape, void *regs)
{
	return argument(regs, shape->form == FORM_SENDMSG || shape->form == FORM_RECVMSG ? 3 : 4);
}

// Whether the kernel has the peer of a connect: it may still be in progress, also if the call was interrupted.
INLINE int is_connecting(s64 result)
{
	return result >= 0 || result == -EINPROGRESS || result == -EINTR || result == -ERESTARTSYS;
}

INLINE void read_peer(struct socket *e, struct passed *passed)
{
	if (is_connecting(e->result) && e->remote_address_len != NO_LENGTH)
		return;
	e->remote_address_len = NO_LENGTH;
	e->remote_port = 0;
	passed_address(passed, e->remote_address, &e->remote_address_len, &e->remote_port);
}

INLINE void read_arguments(struct socket *e, struct shape *shape, void *regs)
{
	struct passed passed = {(void *)argument(regs, 2), argument(regs, 3), e->result};
	switch (shape->form) {
	case FORM_SOCKET:
		e->family = argument(regs, 1);
		e->socket_type = argument(regs, 2) & 0xf;
		e->flags = (u32)argument(regs, 2) & ~0xf;
		e->protocol = argument(regs, 3);
		break;
	case FORM_CONNECT:
		read_peer(e, &passed);
		break;
	case FORM_SENDTO:
	case FORM_SENDMSG:
	case FORM_SENDMMSG:
		e->flags = message_flags(shape, regs);
		passed = named(shape, regs, e->result);
		read_peer(e, &passed);
		break;
	case FORM_BIND:
		if (e->result < 0)
			passed_address(&passed, e->local_address, &e->local_address_len, &e->local_port);
		break;
	case FORM_LISTEN:
		e->backlog = argument(regs, 2);
		break;
	case FORM_SHUTDOWN:
		e->how = argument(regs, 2);
		break;
	case FORM_ACCEPT:
		e->flags = shape->flags ? (u32)argument(regs, shape->flags) : NO_WORD;
		break;
	}
}

#if defined(RECORDS_socket) || defined(RECORDS_connection)
int on_socket(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *regs = (void *)ctx->args[0];
	struct returned call = take_returned(regs, 1);
	struct shape *shape = shape_of(call.nr);
	struct who who;
	if (!c || !cpu || !shape)
		return 0;
	identify(c, cpu, call.caller, &who);
#ifdef RECORDS_connection
	if (shape->form == FORM_ACCEPT && (s64)ctx->args[1] >= 0)
		own_connection(tcp_of(own_file(ctx->args[1])), &who);
#endif
#ifdef RECORDS_socket
	if (THROTTLED(socket))
		return 0;
	struct socket *e = socket_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		NO_ROOM(socket);
		return 0;
	}
	e->ts = call.ts;
	e->start = who.start;
	e->latency_ns = latency_of(&call);
	e->result = ctx->args[1];
	e->flags = NO_WORD;
	e->pid = who.pid;
	e->tid = who.tid;
	e->uid = bpf_get_current_uid_gid();
	e->fd = shape->fd ? (s32)argument(regs, shape->fd) : NO_FD;
	e->backlog = NO_BACKLOG;
	e->local_address_len = NO_LENGTH;
	e->remote_address_len = NO_LENGTH;
	e->local_port = 0;
	e->remote_port = 0;
	e->protocol = 0;
	e->nr = call.nr;
	e->family = NO_CHOICE;
	e->socket_type = NO_CHOICE;
	e->how = NO_CHOICE;
	bpf_get_current_comm(&e->comm, sizeof(e->comm));
	read_unix_path(e, shape, regs);
	if (shape->form == FORM_ACCEPT && e->result >= 0)
		read_socket(e, e->result);
	else
		read_socket(e, e->fd);
	read_arguments(e, shape, regs);
	socket_ring.ringbuf_submit(e, wakeup_after(&call, SELDOM));
#endif
	return 0;
}
#endif
