// SPDX-License-Identifier: MIT
// What files and sockets are called that are counted, or that a row of a system call is about: sent once per interval.

#ifdef RECORDS_object_name
#ifdef HAVE_socket_alloc__vfs_inode
INLINE u64 inode_of_sock(void *sk)
{
	void *socket = NULL;
	u64 inode = 0;
	KREAD(socket, sk, sock, sk_socket);
	if (socket)
		bpf_probe_read_kernel(&inode, sizeof(inode),
		                      socket + OFFSET_socket_alloc__vfs_inode + OFFSET_inode__i_ino);
	return inode;
}
#endif

INLINE u32 pid_of_peer(void *sk)
{
	void *pid = NULL;
	u32 nr = 0;
	KREAD(pid, sk, sock, sk_peer_pid);
	if (pid)
		bpf_probe_read_kernel(&nr, sizeof(nr), pid + OFFSET_pid__numbers + OFFSET_upid__nr);
	return nr;
}

INLINE void describe_ends(struct object_name_0 *e, void *sk, u16 family)
{
	u16 port = 0;
	KREAD(e->local_port, sk, sock_common, skc_num);
	KREAD(port, sk, sock_common, skc_dport);
	if (e->local_port)
		ip_address(e->local_address, &e->local_address_len, sk, family, OFFSET_sock_common__skc_rcv_saddr,
		           LOCAL_IP6);
	if (!port)
		return;
	e->remote_port = swapped(port);
	ip_address(e->remote_address, &e->remote_address_len, sk, family, OFFSET_sock_common__skc_daddr, REMOTE_IP6);
}

INLINE void describe_socket(struct object_name_0 *e, void *sk)
{
	u16 family = 0;
	KREAD(family, sk, sock_common, skc_family);
	e->family = family;
	if (family == AF_INET || family == AF_INET6)
		describe_ends(e, sk, family);
	if (family != AF_UNIX)
		return;
	e->peer_pid = pid_of_peer(sk);
#ifdef HAVE_UNIX_ADDRESSES
	void *peer = NULL;
	unix_address(sk, e->local_address, &e->local_address_len);
	KREAD(peer, sk, unix_sock, peer);
	if (!peer)
		return;
	unix_address(peer, e->remote_address, &e->remote_address_len);
#ifdef HAVE_socket_alloc__vfs_inode
	e->peer_inode = inode_of_sock(peer);
#endif
#endif
}

// Records of all sizes begin with the same members.
INLINE void fill_name(struct object_name_0 *e, u64 ts, struct object *o)
{
	e->ts = ts;
	e->object = o->inode;
	e->object_device = o->device;
	e->generation = o->generation;
	e->object_type = o->type;
	e->object_path_len = e->local_address_len = e->remote_address_len = NO_LENGTH;
	e->mount_namespace = 0;
	e->family = NO_CHOICE;
	e->local_port = e->remote_port = 0;
	e->peer_inode = 0;
	e->peer_pid = 0;
}

// Returns 0 if it does not fit.
#define FILL_NAME(e, ts, o, file, longest, last)                                                                       \
	({                                                                                                             \
		struct place at = {};                                                                                  \
		place_of(&at, file);                                                                                   \
		fill_name((void *)e, ts, o);                                                                           \
		int n = read_names(e->object_path, &e->object_path_len, sizeof(e->object_path) - LARGEST_NAME,         \
		                   longest, &at, &e->mount_namespace);                                                 \
		e->object_path_len = n > 0 ? n : NO_LENGTH;                                                            \
		last || n != DOES_NOT_FIT;                                                                             \
	})

INLINE int send_path(u64 ts, struct object *o, void *file)
{
	return MADE(object_name_0, BPF_RB_NO_WAKEUP, FILL_NAME, ts, o, file, SMALL_NAME, 0) ||
	       MADE(object_name_1, BPF_RB_NO_WAKEUP, FILL_NAME, ts, o, file, NAME_SIZE, 0) ||
	       MADE(object_name_2, BPF_RB_NO_WAKEUP, FILL_NAME, ts, o, file, NAME_SIZE, 1);
}

INLINE int fill_socket(struct object_name_0 *e, u64 ts, struct object *o, void *sk)
{
	fill_name(e, ts, o);
	describe_socket(e, sk);
	return 1;
}

INLINE void sent_name(struct control *c, struct object *seen, int sent)
{
	u32 epoch = c->epoch;
	if (sent)
		described.update(seen, &epoch);
	else
		lose(LOSS_object_name_ring);
}

INLINE void send_socket(struct control *c, u64 ts, struct object *o, void *sk)
{
	struct object seen = as_described(o, sk);
	if (!is_described(c, &seen))
		sent_name(c, &seen, MADE(object_name_0, BPF_RB_NO_WAKEUP, fill_socket, ts, o, sk));
}

INLINE void send_name(struct control *c, u64 ts, s32 fd)
{
	struct object object = {};
	void *file = own_file(fd);
	if (!file)
		return;
	identify_object(&object, file);
	if (object.type == OBJECT_socket)
		send_socket(c, ts, &object, sock_of(file));
	else if (has_path(&object) && !is_described(c, &object))
		sent_name(c, &object, send_path(ts, &object, file));
}

// A program of its own, as the walk to the root takes much of the stack.
int on_object_name(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	void *regs = (void *)ctx->args[0];
	struct returned call = take_returned(regs, 0);
	if (!c)
		return 0;
	if (call.fd != NO_FD)
		send_name(c, call.ts, call.fd);
	if (call.fd2 != NO_FD)
		send_name(c, call.ts, call.fd2);
	call.fd = call.fd2 = NO_FD;
	if (call.next)
		go_on(ctx, call.next, call);
	return 0;
}
#endif
