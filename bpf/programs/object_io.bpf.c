// SPDX-License-Identifier: MIT
// Reads and writes counted by what they went to: the file, pipe or socket behind the descriptor when the call returns.
//
// A count has the identity of the object only. What it is called is sent once per interval, with the first call.

#ifdef RECORDS_objects
#define FMODE_WRITE 2  // include/linux/fs.h

// A call, with what has to be known to count it.
struct object_call {
	struct returned call;
	struct who who;
	struct shape *shape;
	void *regs;
	s64 result;
};

// An address that a call passed or returned, of a family that the socket may have.
INLINE void peer_passed(struct objects_key *key, struct passed *passed)
{
	struct address_head head = {};
	if (passed->bytes < 8 || (passed->bytes < sizeof(head) ? bpf_probe_read_user(&head, 8, passed->at)
	                                                       : bpf_probe_read_user(&head, sizeof(head), passed->at)))
		return;
	if (head.family == AF_INET) {
		key->remote_address_len = 4;
		__builtin_memcpy(key->remote_address, &head.ip4, sizeof(head.ip4));
	} else if (head.family == AF_INET6 && passed->bytes >= sizeof(head)) {
		key->remote_address_len = 16;
		__builtin_memcpy(key->remote_address, &head.ip6, sizeof(head.ip6));
	} else {
		return;
	}
	key->remote_port = swapped(head.port);
}

// The peer of a datagram, if the call names it. Returns 0 if it does not: then it is that of the connected socket.
INLINE int names_peer(struct objects_key *key, struct object_call *o)
{
	struct shape *shape = o->shape;
	if (shape->hook != MESSAGE_CALL || (o->result < 0 && is_receiving(shape)))
		return 0;
	struct passed passed = named(shape, o->regs, o->result);
	if (!passed.at || !passed.bytes)
		return 0;
	if (shape->moves_bytes != MOVES_MESSAGES || o->result == 1)
		peer_passed(key, &passed);
	return 1;
}

INLINE void identify_ends(struct objects_key *key, struct object_call *o, void *sk)
{
	u16 family = 0, type = 0, port = 0;
	u8 state = 0;
	KREAD(family, sk, sock_common, skc_family);
	KREAD(type, sk, sock, sk_type);
	key->family = family < NO_CHOICE ? family : NO_CHOICE;
	key->socket_type = type;
	if (family != AF_INET && family != AF_INET6)
		return;
	KREAD(key->local_port, sk, sock_common, skc_num);
	KREAD(state, sk, sock_common, skc_state);
	if (type != SOCK_STREAM && (names_peer(key, o) || state != TCP_ESTABLISHED))
		return;
	KREAD(port, sk, sock_common, skc_dport);
	if (!port)
		return;
	key->remote_port = swapped(port);
	ip_address(key->remote_address, &key->remote_address_len, sk, family, OFFSET_sock_common__skc_daddr,
	           REMOTE_IP6);
}

INLINE void add_to_object(struct objects_val *v, struct object_call *o, int syncs)
{
	u64 ns = o->call.entered ? latency_of(&o->call) : 0;
	ADD(v->calls, 1);
	ADD(v->total_ns, ns);
	ADD(v->blocked_ns, o->call.blocked_ns);
	if (o->result < 0 && o->result >= -4095)
		ADD(v->errors, 1);
	if (!syncs)
		ADD(v->bytes, o->call.bytes);
	if (ns > v->max_ns)
		v->max_ns = ns;
}

// Counts a call for the object behind one of its descriptors. With its first call in this epoch, on this CPU, it gets its
// name.
INLINE void count_io(struct control *c, struct object_call *o, u32 fd, u8 way)
{
	struct objects_key key = {.start = o->who.start,
	                          .pid = o->who.pid,
	                          .nr = o->call.nr,
	                          .way = way,
	                          .object_type = NO_CHOICE,
	                          .family = NO_CHOICE,
	                          .socket_type = NO_CHOICE,
	                          .remote_address_len = NO_LENGTH};
	struct object object = {};
	void *file = own_file(fd), *sk = NULL;
	if (file) {
		identify_object(&object, file);
		key.object_type = object.type;
		key.object = object.inode;
		key.object_device = object.device;
		key.generation = object.generation;
		if (object.type == OBJECT_socket) {
			sk = sock_of(file);
			identify_ends(&key, o, sk);
		}
	}
	int has_name = has_path(&object) || key.family == AF_UNIX;
	struct objects_val *v = objects_cell(c, &key);
	if (!v)
		return;
	struct object seen = as_described(&object, sk);
	if (!v->calls && has_name && !is_described(c, &seen))
		wants_name(&o->call, fd);
	add_to_object(v, o, way == WAY_sync);
}

// The direction of vmsplice depends on which end of the pipe its descriptor is.
INLINE int is_written(u32 fd)
{
	void *file = own_file(fd);
	u32 mode = 0;
	if (file)
		CREAD(mode, file, file, f_mode);
	return mode & FMODE_WRITE;
}

int on_object(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *regs = (void *)ctx->args[0];
	struct object_call o = {.call = take_returned(regs, 0), .regs = regs, .result = ctx->args[1]};
	o.shape = shape_of(o.call.nr);
	if (!c || !cpu || !o.shape)
		return 0;
	identify(c, cpu, o.call.caller, &o.who);
	int reads = o.shape->reads, writes = o.shape->writes;
	if (reads && reads == writes) {  // vmsplice
		reads = is_written(argument(regs, reads)) ? 0 : reads;
		writes = reads ? 0 : writes;
	}
	if (reads)
		count_io(c, &o, argument(regs, reads), WAY_read);
	if (writes)
		count_io(c, &o, argument(regs, writes), o.shape->moves_bytes ? WAY_write : WAY_sync);
	go_to_names(ctx, o.call);
	return 0;
}
#endif
