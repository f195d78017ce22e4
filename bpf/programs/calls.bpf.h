// SPDX-License-Identifier: MIT
// Calls that also produce events when they return, and calls that move bytes.
//
// A map indexed by call number, filled by user space, says what to do with each call: this works on every architecture,
// and calls that this kernel does not have are not in it. The programs that make events are tail calls of on_sys_exit:
// if a kernel refuses one, the others still run, and calls of no interest cost one array lookup.

BPF_ARRAY(shapes, struct shape, SHAPES);
BPF_PROG_ARRAY(hooks, HOOKS);

// The call that just returned on this CPU, for the program that makes its event.
struct returned {
	u64 caller;  // pid_tgid; 0: consumed
	u64 entered;
	u64 ts;
	u64 nr;
	u64 bytes;    // moved by the call
	u64 counted;  // messages counted so far, by a program that tail-called itself
	u64 events;   // made on this CPU
#ifdef RECORDS_object_name
	u64 blocked_ns;
	u64 next;     // hook to go on with; 0: none
	u32 fd, fd2;  // descriptors of what is to be named, or NO_FD
#endif
};
BPF_PERCPU_ARRAY(returned_calls, struct returned, 1);

INLINE struct shape *shape_of(u64 nr)
{
	u32 key = nr;
	return shapes.lookup(&key);
}

// Tail-calls the program at that index; returns only if there is none. `entered` is 0 if unknown.
INLINE void go_on(struct bpf_raw_tracepoint_args *ctx, u32 hook, struct returned call)
{
	int zero = 0;
	struct returned *r = returned_calls.lookup(&zero);
	if (!r)
		return;
	r->caller = bpf_get_current_pid_tgid();
	COMPILER_BARRIER();  // `caller` first: a call that comes in between overwrites it
	r->entered = call.entered;
	r->ts = call.ts;
	r->nr = call.nr;
	r->bytes = call.bytes;
	r->counted = call.counted;
#ifdef RECORDS_object_name
	r->blocked_ns = call.blocked_ns;
	r->next = call.next;
	r->fd = call.fd;
	r->fd2 = call.fd2;
#endif
	COMPILER_BARRIER();
	hooks.call(ctx, hook);
}

// The same, from within the program that makes the call's event.
INLINE void make_event(struct bpf_raw_tracepoint_args *ctx, struct shape *shape, struct returned call)
{
	if (shape && shape->hook)
		go_on(ctx, shape->hook, call);
}

// Takes the call over from on_sys_exit, to make this many events of it. If the program was preempted in between,
// another call may be stored there: then this call's latency is unknown.
INLINE struct returned take_returned(void *regs, u64 events)
{
	u64 me = bpf_get_current_pid_tgid(), nr = 0;
	int zero = 0;
	struct returned *r = returned_calls.lookup(&zero), taken = {};
	if (r) {
		r->events += events;
		taken = *r;
		COMPILER_BARRIER();
		if (*(volatile u64 *)&r->caller == me && taken.caller == me) {
			r->caller = 0;
			return taken;
		}
	}
	taken.caller = me;
	taken.entered = 0;
	taken.counted = 0;
	taken.ts = bpf_ktime_get_boot_ns();
	KREAD(nr, regs, pt_regs, nr);
	taken.nr = nr;  // read elsewhere: a pointer into `taken` would keep all of it on the stack
	return taken;
}

#ifdef RECORDS_object_name
INLINE void wants_name(struct returned *call, u32 fd)
{
	if (call->fd == NO_FD)
		call->fd = fd;
	else if (call->fd != fd)
		call->fd2 = fd;
}

// Goes on with the names that are wanted, and then with the call's event; with the event alone where a program that walks
// to the root cannot make tail calls.
INLINE void go_to_names(struct bpf_raw_tracepoint_args *ctx, struct returned call)
{
#ifndef TAIL_CALLS_BESIDE_FUNCTIONS
	if (call.next)
		go_on(ctx, call.next, call);
#endif
	if (call.fd != NO_FD)
		go_on(ctx, NAME_CALL, call);
	if (call.next)
		go_on(ctx, call.next, call);
}

// The same, after the call was counted for what it read or wrote.
INLINE void go_further(struct bpf_raw_tracepoint_args *ctx, struct shape *shape, struct returned call)
{
#ifdef RECORDS_objects
	if (call.entered && shape && (shape->reads || shape->writes))
		go_on(ctx, OBJECT_CALL, call);
#endif
	go_to_names(ctx, call);
}
#endif

// Wakes the recorder once per this many events of a CPU: a burst fills a ring before the recorder looks by itself.
#define OFTEN 16
#define SELDOM 512

INLINE u64 wakeup_after(struct returned *call, u32 events)
{
	return call->events % events ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP;
}

INLINE u64 latency_of(struct returned *call)
{
	if (!call->entered)
		return UNKNOWN_NS;
	return call->ts > call->entered ? call->ts - call->entered : 0;
}

// An argument of the call that just returned: its registers still hold them.
INLINE u64 argument(void *regs, u8 position)
{
	u64 value = 0;
	switch (position) {
	case 1:
		KREAD(value, regs, pt_regs, arg1);
		break;
	case 2:
		KREAD(value, regs, pt_regs, arg2);
		break;
	case 3:
		KREAD(value, regs, pt_regs, arg3);
		break;
	case 4:
		KREAD(value, regs, pt_regs, arg4);
		break;
	case 5:
		KREAD(value, regs, pt_regs, arg5);
		break;
	case 6:
		KREAD(value, regs, pt_regs, arg6);
		break;
	}
	return value;
}

#define SENDS 1

#define MSG_PEEK 0x2  // include/linux/socket.h
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000
#define MSG_FASTOPEN 0x20000000

#define MOST_MESSAGES 1024  // UIO_MAXIOV: the kernel takes no more per call
#define MOST_PIECES 16

// struct user_msghdr, struct iovec and struct mmsghdr (include/linux/socket.h, include/uapi/linux/uio.h).
struct message {
	u64 name;
	u32 name_length, unused;
	u64 pieces, count;
	u64 control, control_length;
	u64 flags;
};
struct piece {
	u64 at, length;
};
struct sent_message {
	struct message message;
	u32 length, unused;
};

// The size of a message's buffers, or `most` if they are larger.
INLINE u64 room_of(void *at, u64 most)
{
	struct message message = {};
	struct piece piece = {};
	u64 room = 0;
	if (bpf_probe_read_user(&message, sizeof(message), at))
		return most;
	for (u32 i = 0; i < MOST_PIECES; i++) {
		if (i >= message.count)
			return room < most ? room : most;
		if (bpf_probe_read_user(&piece, sizeof(piece), (void *)message.pieces + i * sizeof(piece)))
			return most;
		room += piece.length;
	}
	return most;
}

// Where the length of the vector's next message is, and the sum so far.
struct lengths {
	void *at;
	u64 left, bytes;
};

INLINE int add_length(struct lengths *l)
{
	u32 length = 0;
	if (!l->left)
		return 1;
	if (bpf_probe_read_user(&length, sizeof(length), l->at)) {
		lose(LOSS_message_unreadable);
		return 1;
	}
	STORE_FORGOTTEN(l->bytes, l->bytes + length, length);
	STORE_FORGOTTEN(l->at, l->at + sizeof(struct sent_message), length);
	STORE_FORGOTTEN(l->left, l->left - 1, length);
	return 0;
}
CALLBACK(add_length, struct lengths)

INLINE u64 length_of_messages(void *at, u64 count)
{
	struct lengths l = {.at = at + sizeof(struct message), .left = count};
	REPEAT_BESIDE_TAIL_CALLS(MOST_MESSAGES, add_length, &l);
	return l.bytes;
}

// How many bytes the call received, sent or copied. Peeked bytes do not count: they stay in the queue. Neither does
// what the buffers of a truncated message had no room for.
INLINE u64 bytes_moved(struct shape *shape, void *regs, s64 result)
{
	if (!shape || !shape->moves_bytes || result <= 0)
		return 0;
	if (shape->moves_bytes == MOVES_RESULT)
		return result;
	u64 flags = shape->flags ? argument(regs, shape->flags) : 0;
	if (flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	if (shape->moves_bytes == MOVES_MESSAGES)
		return length_of_messages((void *)argument(regs, shape->path), result);
	if (!(flags & MSG_TRUNC))
		return result;
	if (shape->moves_bytes == MOVES_MESSAGE)
		return room_of((void *)argument(regs, shape->path), result);
	u64 room = argument(regs, shape->size);
	return room < result ? room : result;
}

#define S_IFMT 0170000  // include/uapi/linux/stat.h
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFIFO 0010000

#define AF_UNIX 1  // include/linux/socket.h
#define AF_INET 2
#define AF_INET6 10

// The struct file of a descriptor of a thread of which the verifier knows that it is one. NULL: there is none.
INLINE void *file_at(void *task, u32 fd)
{
	void *files = NULL, *table = NULL, *slots = NULL, *file = NULL;
	u32 slots_max = 0;
	TREAD(files, task, task_struct, files);
	if (!files)
		return NULL;
	TREAD(table, files, files_struct, fdt);
	TREAD(slots_max, table, fdtable, max_fds);
	TREAD(slots, table, fdtable, fd);
	if (fd >= slots_max)
		return NULL;
	slots += (u64)fd * sizeof(file);
#if defined(RDONLY_CAST) && defined(HAVE_kiocb__ki_filp) && OFFSET_kiocb__ki_filp == 0
	CREAD(file, slots, kiocb, ki_filp);  // which begins with such a pointer
#else
	bpf_probe_read_kernel(&file, sizeof(file), slots);
#endif
	return file;
}

INLINE void *own_file(u32 fd)
{
	return file_at(CURRENT_TASK(), fd);
}
