// SPDX-License-Identifier: MIT
// What a descriptor stands for: a file, a pipe, a socket, or another type of file.

#define ANON_INODE_FS_MAGIC 0x09041934  // include/uapi/linux/magic.h

// Anonymous files share one inode, whose mode is that of a regular file since Linux 6.16.
INLINE int is_anonymous(void *inode)
{
	void *super = NULL;
	u64 magic = 0;
	CREAD(super, inode, inode, i_sb);
	CREAD(magic, super, super_block, s_magic);
	return magic == ANON_INODE_FS_MAGIC;
}

#ifdef RECORDS_object_name
#define PIPEFS_MAGIC 0x50495045  // include/uapi/linux/magic.h

// What tells one object from all others.
struct object {
	u64 inode;
	u32 device, generation;
	u64 type;
};
BPF_TABLE("lru_hash", struct object, u32, described, DESCRIBED_ENTRIES);  // in which epoch

INLINE u8 type_of_anonymous(void *file)
{
	struct place at = {};
	void *from = NULL;
	u64 name = 0;
	place_of(&at, file);
	KREAD(from, at.dentry, dentry, d_name__name);
	bpf_probe_read_kernel(&name, sizeof(name), from);
	switch (name) {
	case NAME_eventfd:
		return OBJECT_eventfd;
	case NAME_timerfd:
		return OBJECT_timerfd;
	case NAME_signalfd:
		return OBJECT_signalfd;
	case NAME_epoll:
		return OBJECT_epoll;
	case NAME_inotify:
		return OBJECT_inotify;
	case NAME_fanotify:
		return OBJECT_fanotify;
	case NAME_io_uring:
		return OBJECT_io_uring;
	case NAME_perf_event:
		return OBJECT_perf_event;
	case NAME_userfaultfd:
		return OBJECT_userfaultfd;
	case NAME_pidfd:
		return OBJECT_pidfd;
	case NAME_bpf_map:
		return OBJECT_bpf_map;
	case NAME_bpf_program:
		return OBJECT_bpf_program;
	}
	return OBJECT_anonymous;
}

INLINE u8 type_of_mode(u16 mode)
{
	switch (mode & S_IFMT) {
	case S_IFSOCK:
		return OBJECT_socket;
	case S_IFIFO:
		return OBJECT_pipe;
	case S_IFDIR:
		return OBJECT_directory;
	case S_IFBLK:
		return OBJECT_block_device;
	case S_IFCHR:
		return OBJECT_device;
	case S_IFREG:
		return OBJECT_file;
	}
	return OBJECT_anonymous;
}

INLINE int is_of(void *inode, u64 file_system)
{
	void *super = NULL;
	u64 magic = 0;
	CREAD(super, inode, inode, i_sb);
	CREAD(magic, super, super_block, s_magic);
	return magic == file_system;
}

INLINE void identify_object(struct object *o, void *file)
{
	struct identity id = {};
	void *inode = NULL;
	u16 mode = 0;
	CREAD(inode, file, file, f_inode);
	CREAD(mode, inode, inode, i_mode);
	o->type = type_of_mode(mode);
	if ((o->type == OBJECT_file || o->type == OBJECT_anonymous) && is_anonymous(inode)) {
		o->type = type_of_anonymous(file);
		return;
	}
	if (o->type == OBJECT_socket || (o->type == OBJECT_pipe && is_of(inode, PIPEFS_MAGIC))) {
		CREAD(o->inode, inode, inode, i_ino);
		return;
	}
	identify_inode(&id, inode);
	o->inode = id.inode;
	o->device = id.device;
	o->generation = id.generation;
}

INLINE void *sock_of(void *file)
{
	void *socket = NULL, *sk = NULL;
	CREAD(socket, file, file, private_data);
	CREAD(sk, socket, socket, sk);
	return sk;
}

// What to remember of an object that is described: of a socket also its ports, as it may be connected later.
INLINE struct object as_described(struct object *o, void *sk)
{
	struct object seen = *o;
	u16 local = 0, remote = 0;
	if (sk) {
		CREAD(local, sk, sock_common, skc_num);
		CREAD(remote, sk, sock_common, skc_dport);
		seen.generation = local << 16 | remote;
	}
	return seen;
}

INLINE int is_described(struct control *c, struct object *seen)
{
	u32 *last = described.lookup(seen);
	return last && *last == c->epoch;
}

// Whether it has a name in the file system.
INLINE int has_path(struct object *o)
{
	return o->inode && o->type != OBJECT_socket && (o->type != OBJECT_pipe || o->device);
}

#endif
