// SPDX-License-Identifier: MIT
// TCP connections that are there, by their socket: what is known of each one until it ends.

#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262

#ifdef RECORDS_connection
// What a connection had sent and received, in all.
struct moved {
	u64 sent, received, resent, segments, retransmits;
};

struct kept_connection {
	u64 id;
	u64 opened;       // 0: before the recording
	u64 established;  // 0: not since then
	u64 changed;      // since when it is in `state`
	u64 start;        // of its owner
	u64 holder_start;
	struct moved before;  // when the recording, or this file of it, began
	u32 pid;              // of its owner; 0: unknown
	u32 holder_pid;
	u32 pass;  // the epoch in which holders were looked for
	u8 direction, state_at_start, state, closed_by;
};
BPF_HASH(connections, u64, struct kept_connection, CONNECTION_ENTRIES);

// The TCP socket behind a file; NULL: it is none. Of MPTCP, the one of its first path.
INLINE void *tcp_of(void *file)
{
	void *inode = NULL, *socket = NULL, *sk = NULL;
	u16 mode = 0, family = 0, protocol = 0;
	KREAD(inode, file, file, f_inode);
	KREAD(mode, inode, inode, i_mode);
	if ((mode & S_IFMT) != S_IFSOCK)
		return NULL;
	KREAD(socket, file, file, private_data);
	KREAD(sk, socket, socket, sk);
	KREAD(family, sk, sock_common, skc_family);
	if (!sk || (family != AF_INET && family != AF_INET6))
		return NULL;
	KREAD(protocol, sk, sock, sk_protocol);
#ifdef HAVE_mptcp_sock__first
	if (protocol == IPPROTO_MPTCP) {
		KREAD(sk, sk, mptcp_sock, first);
		return sk;
	}
#endif
	return protocol == IPPROTO_TCP ? sk : NULL;
}

// A process has accepted a connection.
INLINE void own_connection(void *sk, struct who *who)
{
	u64 id = (u64)sk;
	struct kept_connection *kept = connections.lookup(&id);
	if (kept && !kept->pid) {
		kept->pid = who->pid;
		kept->start = who->start;
	}
}
#endif
