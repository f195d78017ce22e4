// SPDX-License-Identifier: MIT
// Files opened, created, renamed, removed and changed: one row for each such call that returned.
//
// A path is read when its call returns: the kernel has read it a moment before, so its page is present, even if it was
// not at the entry. Copying it at the entry would cost every call, and fail for exactly the pages where it matters.

#define O_WRONLY 01
#define O_CREAT 0100
#define O_TRUNC 01000
#define O_TMPFILE 020000000  // its own bit; the flag's other bits are O_DIRECTORY
#define RESOLVE_IN_ROOT 0x10

// A path and the directory it is relative to. Returns 0 if it does not fit.
INLINE int read_path(struct buffers *b, s32 dirfd, void *path, int follow, s64 result, int last)
{
	struct place at = {};
	char first = 0;
	no_path(b, ORIGIN_unresolved);
	if (bpf_probe_read_user(&first, 1, path)) {
		if (result != -EFAULT)
			lose(LOSS_file_path_unreadable);
		return 1;
	}
	if (!follow) {
		if (first == '/')
			*b->origin = ORIGIN_absolute;
	} else if (first != '/' || follow != RESOLVE_IN_ROOT) {
		u8 origin = find_start(&at, dirfd, first == '/');
		u64 from = origin;
		FORGET(from, (u64)at.dentry);
		if (origin != ORIGIN_unresolved && !read_directory(b, &at, from, last))
			return 0;
	}
	long n = bpf_probe_read_user_str(b->path, b->path_size, path);
	if (n < 0) {
		if (result != -EFAULT)
			lose(LOSS_file_path_unreadable);
		return 1;
	}
	if (n >= b->path_size && !last)
		return 0;
	*b->path_len = n > 0 ? n - 1 : 0;
	*b->truncated = n >= b->path_size && result == -ENAMETOOLONG;
	return 1;
}

struct open_call {
	struct returned call;
	struct who who;
	void *path;
	u64 flags;
	s64 result;
	s32 dirfd;
	u32 mode;
	int follow;
};

// struct open_how of linux/openat2.h.
struct open_how {
	u64 flags, mode, resolve;
};

INLINE void read_flags(struct open_call *o, void *regs, struct shape *shape)
{
	o->follow = 1;
	o->mode = argument(regs, shape->mode);
	o->flags = (u32)argument(regs, shape->flags);
	if (shape->form == FORM_CREAT)
		o->flags = O_WRONLY | O_CREAT | O_TRUNC;
	if (shape->form == FORM_OPENAT2) {
		struct open_how how = {};
		if (bpf_probe_read_user(&how, sizeof(how), (void *)argument(regs, shape->flags)) &&
		    o->result != -EFAULT)
			lose(LOSS_open_how_unreadable);
		o->flags = how.flags;
		o->mode = how.mode;
		if (how.resolve & RESOLVE_IN_ROOT)
			o->follow = RESOLVE_IN_ROOT;
	}
	if (!(o->flags & (O_CREAT | O_TMPFILE)))
		o->mode = NO_MODE;
}

// The file that was opened; with a symbolic link it is not the one named.
INLINE void read_opened(struct open_0 *e, struct open_call *o)
{
	struct identity id = {};
	void *file = NULL, *inode = NULL;
	if (o->result >= 0 && (file = own_file(o->result))) {
		KREAD(inode, file, file, f_inode);
		identify_inode(&id, inode);
	}
	e->device = id.device;
	e->inode = id.inode;
	e->generation = id.generation;
}

// Records of all sizes begin with the same members. Returns 0 if it does not fit.
#define FILL_OPEN(e, o, longest, last) fill_open((void *)e, o, BUFFERS(e, longest, ), last)
INLINE int fill_open(struct open_0 *e, struct open_call *o, struct buffers b, int last)
{
	if (!read_path(&b, o->dirfd, o->path, o->follow, o->result, last))
		return 0;
	e->ts = o->call.ts;
	e->start = o->who.start;
	e->latency_ns = latency_of(&o->call);
	e->result = o->result;
	e->flags = o->flags;
	e->pid = o->who.pid;
	e->tid = o->who.tid;
	e->uid = bpf_get_current_uid_gid();
	e->dirfd = o->dirfd;
	e->mode = o->mode;
	e->nr = o->call.nr;
	bpf_get_current_comm(&e->comm, sizeof(e->comm));
	read_opened(e, o);
	return 1;
}

#ifdef RECORDS_open
int on_open(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *regs = (void *)ctx->args[0];
	struct open_call o = {.call = take_returned(regs, 1), .result = ctx->args[1]};
	struct shape *shape = shape_of(o.call.nr);
	if (!c || !cpu || !shape || THROTTLED(open))
		return 0;
	identify(c, cpu, o.call.caller, &o.who);  // recorded, even if its process no longer passes
	o.dirfd = shape->fd ? (s32)argument(regs, shape->fd) : AT_FDCWD;
	o.path = (void *)argument(regs, shape->path);
	read_flags(&o, regs, shape);
	u64 dirfd = o.dirfd, mode = o.mode, flags = o.flags;
	FORGET(dirfd, (u64)o.path);
	FORGET(mode, (u64)o.path);
	FORGET(flags, (u64)o.path);
	o.dirfd = dirfd;
	o.mode = mode;
	o.flags = flags;

	if (!MADE(open_0, wakeup_after(&o.call, SELDOM), FILL_OPEN, &o, SMALL_NAME, 0) &&
	    !MADE(open_1, wakeup_after(&o.call, OFTEN), FILL_OPEN, &o, NAME_SIZE, 0) &&
	    !MADE(open_2, wakeup_after(&o.call, OFTEN), FILL_OPEN, &o, NAME_SIZE, 1))
		NO_ROOM(open);
	return 0;
}
#endif

struct file_call {
	struct returned call;
	struct who who;
	struct shape *shape;
	void *regs;
	s64 result;
};

INLINE void describe_file_op(struct file_op_0 *e, struct file_call *f)
{
	struct shape *shape = f->shape;
	e->ts = f->call.ts;
	e->start = f->who.start;
	e->latency_ns = latency_of(&f->call);
	e->result = f->result;
	e->flags = shape->flags ? (u32)argument(f->regs, shape->flags) : NO_WORD;
	e->size_bytes = shape->size ? argument(f->regs, shape->size) : NO_WORD;
	e->pid = f->who.pid;
	e->tid = f->who.tid;
	e->uid = bpf_get_current_uid_gid();
	e->dirfd = shape->fd ? argument(f->regs, shape->fd) : AT_FDCWD;
	e->dirfd2 = shape->fd2 ? argument(f->regs, shape->fd2) : AT_FDCWD;
	e->mode = shape->mode ? argument(f->regs, shape->mode) : NO_MODE;
	e->owner = shape->owner ? argument(f->regs, shape->owner) : NO_OWNER;
	e->owner_group = shape->group ? argument(f->regs, shape->group) : NO_OWNER;
	e->nr = f->call.nr;
	bpf_get_current_comm(&e->comm, sizeof(e->comm));
}

// All return 0 if it does not fit.

INLINE int first_path(struct file_op_0 *e, struct file_call *f, struct buffers b, int last)
{
	void *path = (void *)argument(f->regs, f->shape->path);
	if (!f->shape->path)
		return read_fd(&b, e->dirfd, last);
	return read_path(&b, e->dirfd, path, f->shape->form != FORM_TARGET, f->result, last);
}

INLINE int second_path(struct file_op_0 *e, struct file_call *f, struct buffers b, int last)
{
	void *path = (void *)argument(f->regs, f->shape->path2);
	return read_path(&b, e->dirfd2, path, 1, f->result, last);
}

// The smallest record cannot hold a second path.
#define FILL_FILE_OP(e, f, longest, paths, last)                                                                       \
	fill_file_op((void *)e, f, BUFFERS(e, longest, ), BUFFERS(e, longest, 2), paths, last)
INLINE int fill_file_op(struct file_op_0 *e, struct file_call *f, struct buffers b, struct buffers b2, int paths,
                        int last)
{
	describe_file_op(e, f);
	no_path(&b2, NO_ORIGIN);
	if (!first_path(e, f, b, last))
		return 0;
	return paths == 1 || !f->shape->path2 || second_path(e, f, b2, last);
}

#ifdef RECORDS_file_op
int on_file_op(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	struct file_call f = {.call = take_returned((void *)ctx->args[0], 1), .regs = (void *)ctx->args[0]};
	f.result = ctx->args[1];
	f.shape = shape_of(f.call.nr);
	if (!c || !cpu || !f.shape || THROTTLED(file_op))
		return 0;
	identify(c, cpu, f.call.caller, &f.who);

	if ((f.shape->path2 || !MADE(file_op_0, wakeup_after(&f.call, SELDOM), FILL_FILE_OP, &f, SMALL_NAME, 1, 0)) &&
	    !MADE(file_op_1, wakeup_after(&f.call, OFTEN), FILL_FILE_OP, &f, NAME_SIZE, 2, 0) &&
	    !MADE(file_op_2, wakeup_after(&f.call, OFTEN), FILL_FILE_OP, &f, NAME_SIZE, 2, 1))
		NO_ROOM(file_op);
	return 0;
}
#endif
