// SPDX-License-Identifier: MIT
// What a thread that leaves its CPU waits for. It is noted in the row that will count the wait, which is kept beside the
// thread's counts: its waker completes it, and it is counted when the thread is charged next.

struct noted_wait {
	struct waits_key key;
	struct waits_val row;  // what is no count
	u64 held_ns;           // how long its waker had held the lock that it waits for
};

#ifdef RECORDS_waits
#ifdef HAVE_sock_common__skc_v6_daddr
#define PEER_IP6 OFFSET_sock_common__skc_v6_daddr
#endif

INLINE void note_nothing(struct waits_val *row)
{
	row->has_owner = 0;
	row->waker_thread[0] = 0;
	row->family = NO_CHOICE;
	row->object_name_len = NO_LENGTH;
	row->remote_address_len = NO_LENGTH;
	row->local_port = row->remote_port = 0;
}

INLINE void begin_wait(struct noted_wait *w)
{
	__builtin_memset(&w->key, 0, sizeof(w->key));
	w->held_ns = 0;
	w->key.woken_by = WOKEN_BY_NOBODY;
	note_nothing(&w->row);
}

INLINE void note_name(struct noted_wait *w, void *file)
{
	struct place at;
	void *name = NULL;
	place_of(&at, file);
	KREAD(name, at.dentry, dentry, d_name__name);
	long bytes = bpf_probe_read_kernel_str(&w->row.object_name, sizeof(w->row.object_name), name);
	if (bytes > 1)
		w->row.object_name_len = bytes - 1;
}

INLINE void note_socket(struct noted_wait *w, void *sk, u16 family)
{
	u16 port = 0;
	w->row.family = family < NO_CHOICE ? family : NO_CHOICE;
	if (family != AF_INET && family != AF_INET6)
		return;
	KREAD(w->row.local_port, sk, sock_common, skc_num);
	KREAD(port, sk, sock_common, skc_dport);
	if (!port)
		return;
	w->row.remote_port = port >> 8 | port << 8;
	w->row.remote_address_len = 4;
	if (family == AF_INET)
		bpf_probe_read_kernel(&w->row.remote_address, 4, sk + OFFSET_sock_common__skc_daddr);
#ifdef PEER_IP6
	else if (!bpf_probe_read_kernel(&w->row.remote_address, 16, sk + PEER_IP6))
		w->row.remote_address_len = 16;
#endif
}

INLINE void note_file(struct noted_wait *w, void *file, void *inode, u16 mode, int is_anonymous)
{
	struct identity id;
	if (is_anonymous) {  // they share one inode
		note_name(w, file);
		return;
	}
	identify_inode(&id, inode);
	w->key.object = id.inode;
	if ((mode & S_IFMT) == S_IFSOCK)
		return;
	w->key.object_device = id.device;
	note_name(w, file);
}
#endif
