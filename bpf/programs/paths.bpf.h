// SPDX-License-Identifier: MIT
// Where a file or directory is, and its identity.

#define DEPTH 64       // directories and mounts walked up to the root, at most
#define NAME_SIZE 256  // NAME_MAX and the NUL

// The kernel's struct path, with the mount that contains the vfsmount.
struct place {
	void *mount, *dentry;
};

// A dentry's parent and name, which are adjacent.
struct step {
	void *parent;
	u64 hash_and_length;
	void *name;
};
_Static_assert(OFFSET_dentry__d_name__name == OFFSET_dentry__d_parent + __builtin_offsetof(struct step, name), "step");

// What a mount is mounted on, and its own root, which are adjacent.
struct joint {
	void *parent, *mountpoint, *root;
};
_Static_assert(OFFSET_mount__mnt_mountpoint == OFFSET_mount__mnt_parent + 8, "joint");
_Static_assert(OFFSET_mount__mnt__mnt_root == OFFSET_mount__mnt_parent + 16, "joint");

struct hash_node {
	void *next, *pprev;
};

#define MOUNT_OF(vfsmount) ((void *)(vfsmount) - OFFSET_mount__mnt)

#define NO_PLACE (-1)  // in no mount namespace, or deeper than DEPTH
#define DOES_NOT_FIT (-2)

INLINE struct joint joint_of(void *mount)
{
	struct joint joint = {};
	bpf_probe_read_kernel(&joint, sizeof(joint), mount + OFFSET_mount__mnt_parent);
	return joint;
}

// The id of a mount's mount namespace. A mount has none (0) if it was detached (umount2(2), MNT_DETACH), is internal to
// the kernel, or is not attached yet.
INLINE u32 mount_namespace_of(void *mount)
{
	u32 id = 0;
#ifdef HAVE_mnt_namespace__ns__inum
	void *ns = NULL;
	void *proxy = NULL, *own = NULL;
	KREAD(ns, mount, mount, mnt_ns);
	TREAD(proxy, CURRENT_TASK(), task_struct, nsproxy);
	TREAD(own, proxy, nsproxy, mnt_ns);
	if (ns == own)  // almost always
		TREAD(id, own, mnt_namespace, ns__inum);
	else
		KREAD(id, ns, mnt_namespace, ns__inum);
#endif
	return id;
}

INLINE int found_root(void *mount, u32 *mount_namespace, int taken)
{
	*mount_namespace = mount_namespace_of(mount);
#ifdef HAVE_mnt_namespace__ns__inum
	return *mount_namespace ? taken : NO_PLACE;
#else
	return taken;
#endif
}

// State of a walk up from a file or directory: where it is, where names go, and how many bytes they may take.
struct walk {
	struct place at;
	struct joint joint;
	u8 *to;
	u32 *taken;
	u64 room, longest;
	s64 end;  // AT_ROOT, ALONE, or why there are no names
};

#define AT_ROOT 1
#define ALONE 2  // in no directory

INLINE int ends(struct walk *w, s64 end)
{
	STORE_FORGOTTEN(w->end, end, w->at.mount);
	return 1;
}

INLINE void goes_on_at(struct walk *w, void *mount, void *dentry)
{
	STORE_FORGOTTEN(w->at.mount, mount, dentry);
	STORE_FORGOTTEN(w->at.dentry, dentry, mount);
}

// Goes one step up: through a name, or from a mount to what it is mounted on. Returns 1 after the last step.
//
// The number of bytes used is kept in the record, not in a register, where the verifier would distinguish every value.
// This way all paths through an iteration end in the same state, and the verifier follows each iteration only once.
INLINE int go_up(struct walk *w)
{
	struct step step = {};
	if (w->at.dentry == w->joint.root) {
		if (w->at.mount == w->joint.parent)
			return ends(w, AT_ROOT);
		goes_on_at(w, w->joint.parent, w->joint.mountpoint);
		w->joint = joint_of(w->at.mount);
		return 0;
	}
	u32 used = *(volatile u32 *)w->taken;
	if (used >= w->room)
		return ends(w, DOES_NOT_FIT);
	bpf_probe_read_kernel(&step, sizeof(step), w->at.dentry + OFFSET_dentry__d_parent);
	long n = bpf_probe_read_kernel_str(w->to + used, w->longest, step.name);
	if (n <= 0)
		return ends(w, NO_PLACE);
	*(volatile u32 *)w->taken = used + n;
	if ((n >= w->longest && w->longest < NAME_SIZE) || used + n > w->room)
		return ends(w, DOES_NOT_FIT);
	if (step.parent == w->at.dentry)
		return ends(w, ALONE);
	goes_on_at(w, w->at.mount, step.parent);
	return 0;
}
CALLBACK(go_up, struct walk)

// The name of a file that is in no directory. The verifier needs a bound on its bytes that it can see.
INLINE int end_alone(u8 *to, volatile u32 *taken, u32 room)
{
	u32 used = *taken;
	if (used >= room)
		return DOES_NOT_FIT;
	to[used] = 0;
	return used + 1;
}

// Writes the names of the file or directory and of those above it to `to`, innermost first, each with a NUL. Returns
// how many bytes they take: 0 is the root. `to` must be followed by room for `longest` bytes, which may be overwritten.
// An empty first name means that it was removed. An empty last name: it is in no directory, such as a memfd.
//
// The root is that of the mount namespace, regardless of the process's root: this gives a file one name, and a
// directory that a process has open may be outside its root.
INLINE int read_names(u8 *to, u32 *taken, u32 room, u32 longest, struct place *at, u32 *mount_namespace)
{
	struct walk w = {.joint = joint_of(at->mount), .to = to, .taken = taken, .room = room, .longest = longest};
	struct hash_node hash = {};
	*taken = 0;
	*mount_namespace = 0;
	goes_on_at(&w, at->mount, at->dentry);
	ends(&w, NO_PLACE);
	if (w.at.dentry != w.joint.root) {
		KREAD(hash, w.at.dentry, dentry, d_hash);
		if (!hash.pprev) {
			to[0] = 0;
			*taken = 1;
		}
	}
	REPEAT(DEPTH, go_up, &w);
	if (w.end == AT_ROOT)
		return found_root(w.at.mount, mount_namespace, *taken);
	return w.end == ALONE ? end_alone(to, taken, room) : w.end;
}

INLINE void place_of(struct place *at, void *file)
{
	KREAD(*at, file, file, f_path);
	at->mount = MOUNT_OF(at->mount);
}

INLINE void root_of(struct place *at)
{
	void *fs = NULL;
	TREAD(fs, CURRENT_TASK(), task_struct, fs);
	KREAD(*at, fs, fs_struct, root);
	at->mount = MOUNT_OF(at->mount);
}

INLINE void cwd_of(struct place *at)
{
	void *fs = NULL;
	TREAD(fs, CURRENT_TASK(), task_struct, fs);
	KREAD(*at, fs, fs_struct, pwd);
	at->mount = MOUNT_OF(at->mount);
}

// A file's identity as stat(2) reports it. Device and inode 0: unknown.
struct identity {
	u64 inode;
	u32 device;
	u32 generation;  // tells it from earlier users of the inode; 0: the file system has none
};

#define BTRFS_MAGIC 0x9123683e  // include/uapi/linux/magic.h
#define OVERLAYFS_MAGIC 0x794c7630
#define CEPH_MAGIC 0x00c36400

#define OVL_INDEX 2  // enum ovl_inode_flag, fs/overlayfs/overlayfs.h

// What is known of overlays since Linux 6.5, and before.
#ifdef HAVE_ovl_fs__xino_mode
#ifdef HAVE_ovl_inode____upperdentry
#define KNOWS_UPPER
#endif
#endif

// Each btrfs subvolume numbers its inodes from the start and has its own device (btrfs_getattr()).
INLINE void identify_in_subvolume(struct identity *id, void *inode)
{
	id->device = 0;
#ifdef KNOWS_btrfs
	void *root = NULL, *own = inode - OFFSET_btrfs_inode__vfs_inode;
	KREAD(root, own, btrfs_inode, root);
	KREAD(id->device, root, btrfs_root, anon_dev);
#endif
}

#ifdef KNOWS_UPPER
INLINE u64 number_of(void *dentry)
{
	void *inode = NULL;
	u64 number = 0;
	KREAD(inode, dentry, dentry, d_inode);
	KREAD(number, inode, inode, i_ino);
	return number;
}
#endif

#ifdef KNOWS_overlay
// The layer whose inode identifies a file (NULL: the upper one), and its dentry there. A copied-up file keeps the inode
// number from the lower layer, except a hard link, which becomes a file of its own.
INLINE void *layer_of(void *own, void *upper, void **dentry)
{
	void *entry = NULL, *layer = NULL, *inode = NULL;
	u64 flags = 0;
	u32 lowers = 0, links = 0;
	KREAD(entry, own, ovl_inode, oe);
	KREAD(lowers, entry, ovl_entry, __numlower);
	if (lowers) {
		void *first = entry + OFFSET_ovl_entry____lowerstack;
		KREAD(*dentry, first, ovl_path, dentry);
		KREAD(layer, first, ovl_path, layer);
		KREAD(inode, *dentry, dentry, d_inode);
		KREAD(links, inode, inode, i_nlink);
		KREAD(flags, own, ovl_inode, flags);
		if (!upper || links == 1 || flags & 1 << OVL_INDEX)
			return layer;
	}
	*dentry = upper;
	return NULL;
}
#endif

// As ovl_getattr() and ovl_map_dev_ino() (fs/overlayfs/inode.c) do it. An overlay has one device if all its layers are
// on one file system, or if the layer's number fits into the inode number; otherwise a file has its layer's device.
INLINE void identify_in_overlay(struct identity *id, void *inode, void *sb)
{
	u32 device = id->device;
	id->device = 0;
	id->generation = 0;
#ifdef KNOWS_UPPER
	void *ofs = NULL, *upper = NULL, *own = inode - OFFSET_ovl_inode__vfs_inode;
	s32 xino = 0;  // bits for the layer's number; 0: all layers on one file system; -1: none available
	u16 mode = 0;
	KREAD(mode, inode, inode, i_mode);
	if ((mode & S_IFMT) == S_IFDIR) {
		id->device = device;
		return;
	}
	KREAD(ofs, sb, super_block, s_fs_info);
	KREAD(xino, ofs, ovl_fs, xino_mode);
	KREAD(upper, own, ovl_inode, __upperdentry);
#ifdef KNOWS_overlay
	void *dentry = NULL, *layer = layer_of(own, upper, &dentry), *fs = NULL;
	u64 number = number_of(dentry);
	u32 fsid = 0, shift = (64 - xino) & 63;
	if (layer) {
		KREAD(fs, layer, ovl_layer, fs);
		KREAD(fsid, layer, ovl_layer, fsid);
	} else {
		KREAD(fs, ofs, ovl_fs, fs);  // the first one is the upper layer's
	}
	id->inode = number;
	if (xino == 0 || (xino > 0 && !(number >> shift)))
		id->device = device;
	else
		KREAD(id->device, fs, ovl_sb, pseudo_dev);
	if (xino > 0 && id->device == device)
		id->inode |= (u64)fsid << ((shift + 1) & 63);
#else
	// A copied-up file may be a hard link that is now a file of its own.
	if (xino >= 0 && (!upper || number_of(upper) == id->inode))
		id->device = device;
#endif
#endif
}

// As new_encode_dev() (include/linux/kdev_t.h) does it.
INLINE u32 as_stat_shows(u32 device)
{
	u32 minor = device & 0xfffff;
	return (minor & 0xff) | device >> 20 << 8 | (minor & ~0xff) << 12;
}

// What is needed of an inode and of its superblock, one read each: a read takes about 20 ns, whatever its length.
struct of_inode {
	void *sb;
	u8 between[OFFSET_inode__i_ino - OFFSET_inode__i_sb - 8];
	u64 number;
};
struct of_super_block {
	u32 device;
	u8 between[OFFSET_super_block__s_magic - OFFSET_super_block__s_dev - 4];
	u64 magic;
};
_Static_assert(sizeof(struct of_inode) == OFFSET_inode__i_ino - OFFSET_inode__i_sb + 8, "of_inode");
_Static_assert(sizeof(struct of_super_block) == OFFSET_super_block__s_magic - OFFSET_super_block__s_dev + 8,
               "of_super_block");

INLINE void identify_inode(struct identity *id, void *inode)
{
	struct of_inode i = {};
	struct of_super_block s = {};
	bpf_probe_read_kernel(&i, sizeof(i), inode + OFFSET_inode__i_sb);
	bpf_probe_read_kernel(&s, sizeof(s), i.sb + OFFSET_super_block__s_dev);
	KREAD(id->generation, inode, inode, i_generation);
	id->inode = i.number;
	id->device = s.device;
	if (s.magic == BTRFS_MAGIC)
		identify_in_subvolume(id, inode);
	if (s.magic == OVERLAYFS_MAGIC)
		identify_in_overlay(id, inode, i.sb);
	if (s.magic == CEPH_MAGIC)  // a snapshot has its own device
		id->device = 0;
	id->device = as_stat_shows(id->device);
	if (!id->device)
		id->inode = 0;
}

// Buffers in a record: `names` for a directory, followed by `longest` bytes that are filled later, and `path`.
struct buffers {
	u8 *names, *path;
	u32 names_size, path_size, longest;
	u32 *names_len, *path_len;
	u8 *origin, *truncated;
	u32 *mount_namespace;
};

#define BUFFERS(e, longest_, n)                                                                                        \
	((struct buffers){(e)->directory##n, (e)->path##n, sizeof((e)->directory##n), sizeof((e)->path##n), longest_,  \
	                  &(e)->directory##n##_len, &(e)->path##n##_len, &(e)->origin##n, &(e)->path##n##_truncated,   \
	                  &(e)->mount_namespace##n})

INLINE void no_path(struct buffers *b, u8 origin)
{
	*b->names_len = NO_LENGTH;
	*b->path_len = NO_LENGTH;
	*b->origin = origin;
	*b->truncated = 0;
	*b->mount_namespace = 0;
}

// What a path is relative to; ORIGIN_unresolved: unknown.
INLINE u8 find_start(struct place *at, s32 dirfd, int absolute)
{
	if (absolute) {
		root_of(at);
		return ORIGIN_absolute;
	}
	if (dirfd == AT_FDCWD) {
		cwd_of(at);
		return ORIGIN_cwd;
	}
	void *directory = own_file(dirfd);
	if (!directory)
		return ORIGIN_unresolved;
	place_of(at, directory);
	return ORIGIN_dirfd;
}

// Returns 0 if it does not fit.
INLINE int read_directory(struct buffers *b, struct place *at, u8 origin, int last)
{
	int n = read_names(b->names, b->names_len, b->names_size, b->longest, at, b->mount_namespace);
	*b->names_len = n > 0 || (n == 0 && origin != ORIGIN_absolute) ? n : NO_LENGTH;
	if (n >= 0)
		*b->origin = origin;
	return last || n != DOES_NOT_FIT;
}

// The file behind a descriptor. Returns 0 if it does not fit.
INLINE int read_fd(struct buffers *b, s32 fd, int last)
{
	struct place at = {};
	no_path(b, ORIGIN_unresolved);
	void *file = own_file(fd);
	if (!file)
		return 1;
	place_of(&at, file);
	return read_directory(b, &at, ORIGIN_fd, last);
}
