// SPDX-License-Identifier: MIT
// Each system call as a row of its own: compiled in only on request.
//
// Arguments are read when the call returns: the registers still hold them, and a string that the kernel has just read
// is in memory, even if it was not when the call began. The arguments of a successful execve and of an exit are saved
// at the entry, as nothing is left to read them from later.

#ifdef RECORDS_syscall
// What the arguments of a call are, by position from 1; 0: it has none of that kind. Filled by user space, by call
// number.
BPF_ARRAY(event_calls, struct event_call, EVENT_CALLS);

struct call_args {
	u64 a1, a2, a3, a4, a5, a6;
};

#define STRING_ROOM sizeof(((struct syscall_2 *)0)->string1)

struct kept {
	struct call_args args;
	u32 nr;
	u32 length;
	u8 string[STRING_ROOM];
};
BPF_TABLE("lru_hash", u32, struct kept, kept_calls, 256);
BPF_PERCPU_ARRAY(kept_scratch, struct kept, 1);

INLINE struct event_call *event_call(u16 nr)
{
	u32 number = nr & UNKNOWN_NR, table = nr >> ABI_SHIFT;
	u32 key = table * EVENT_NUMBERS + (number < EVENT_NUMBERS ? number : EVENT_NUMBERS - 1);
	return event_calls.lookup(&key);
}

INLINE void read_args(struct call_args *args, void *regs, u16 nr)
{
	u64 words[REGS_WORDS];
	if (bpf_probe_read_kernel(words, sizeof(words), regs)) {
		*args = (struct call_args){NO_ARG, NO_ARG, NO_ARG, NO_ARG, NO_ARG, NO_ARG};
		return;
	}
#ifdef IA32_WORD_1
	if (nr >> ABI_SHIFT == 1) {
		*args = (struct call_args){(u32)words[IA32_WORD_1], (u32)words[IA32_WORD_2], (u32)words[IA32_WORD_3],
		                           (u32)words[IA32_WORD_4], (u32)words[IA32_WORD_5], (u32)words[IA32_WORD_6]};
		return;
	}
#endif
	*args = (struct call_args){words[ARG_WORD_1], words[ARG_WORD_2], words[ARG_WORD_3],
	                           words[ARG_WORD_4], words[ARG_WORD_5], words[ARG_WORD_6]};
}

// All bits set if both are equal, else none. Branch-free: each branch doubles the paths that the verifier follows, and
// it took seconds.
INLINE u64 bits_if_equal(u64 a, u64 b)
{
	u64 differs = a ^ b;
	asm volatile("" : "+r"(differs));  // otherwise the compiler makes a branch of it
	return 0 - ((differs - 1) >> 63);
}

INLINE u64 arg_at(struct call_args *args, u8 position)
{
	return (args->a1 & bits_if_equal(position, 1)) | (args->a2 & bits_if_equal(position, 2)) |
	       (args->a3 & bits_if_equal(position, 3)) | (args->a4 & bits_if_equal(position, 4)) |
	       (args->a5 & bits_if_equal(position, 5)) | (args->a6 & bits_if_equal(position, 6));
}

// A descriptor that is an argument of the call.
INLINE u32 fd_of(void *regs, u16 nr, u8 position)
{
	struct call_args args;
	read_args(&args, regs, nr);
	return arg_at(&args, position);
}

// At the entry of a call whose arguments cannot be read later.
INLINE void keep_call(struct cpu_state *cpu, struct event_call *t, void *regs, u16 nr, u64 me)
{
	u32 since = switches_of(cpu);
	u32 key = t->keep == KEEP_EXEC ? me >> 32 : me;
	int zero = 0;
	struct kept *k = kept_scratch.lookup(&zero);
	if (!k)
		return;
	read_args(&k->args, regs, nr);
	k->nr = nr;
	k->length = NO_LENGTH;
	if (t->string1) {
		long n = bpf_probe_read_user_str(k->string, STRING_ROOM, (void *)arg_at(&k->args, t->string1));
		if (n > 0)
			k->length = n - 1;
	}
	kept_calls.update(&key, k);
	// Switched out meanwhile (see identify): another thread may have written there.
	if (SWITCHED(cpu, since))
		kept_calls.delete(&key);
}

// What a descriptor stood for that a call closes.
BPF_TABLE("lru_hash", u32, struct object, closed, 256);

INLINE void identify_fd(struct object *o, u32 fd)
{
	void *file = own_file(fd);
	__builtin_memset(o, 0, sizeof(*o));
	o->type = NO_CHOICE;
	if (file)
		identify_object(o, file);
}

INLINE void keep_file(void *regs, u16 nr, u64 me)
{
	struct object object;
	u32 tid = me;
	identify_fd(&object, fd_of(regs, nr, 1));
	closed.update(&tid, &object);
}

INLINE void call_begins(struct cpu_state *cpu, void *regs, u16 nr, u64 me)
{
	struct event_call *t = event_call(nr);
	if (!t || !t->wanted || !t->keep)
		return;
	if (t->keep == KEEP_FILE)
		keep_file(regs, nr, me);
	else
		keep_call(cpu, t, regs, nr, me);
}

// What the descriptors of the call that just returned on this CPU stand for.
struct call_objects {
	u64 caller;  // pid_tgid
	struct object first, second;
};
BPF_PERCPU_ARRAY(objects_of_calls, struct call_objects, 1);

// A call that has ended.
struct ended_call {
	struct who *who;
	struct kept *kept;  // saved at its entry, or NULL
	u64 entered, ns;
	s64 result;
	u16 nr;
	u16 points;  // whether any argument points to something that is recorded
	struct call_args args;
	struct call_objects *objects;  // NULL: not known
};

// Where programs are preemptible another thread may have written there: then they are not known.
#define FILL_OBJECTS(e, o)                                                                                             \
	do {                                                                                                           \
		(e)->object = (e)->object2 = 0;                                                                        \
		(e)->object_device = (e)->object2_device = 0;                                                          \
		(e)->object_type = (e)->object2_type = NO_CHOICE;                                                      \
		if ((o) && (o)->caller == bpf_get_current_pid_tgid()) {                                                \
			(e)->object = (o)->first.inode;                                                                \
			(e)->object_device = (o)->first.device;                                                        \
			(e)->object_type = (o)->first.type;                                                            \
			(e)->object2 = (o)->second.inode;                                                              \
			(e)->object2_device = (o)->second.device;                                                      \
			(e)->object2_type = (o)->second.type;                                                          \
		}                                                                                                      \
	} while (0)

// The records differ only in their strings.
#define FILL_EVENT(e, c)                                                                                               \
	do {                                                                                                           \
		(e)->ts = (c)->entered;                                                                                \
		(e)->start = (c)->who->start;                                                                          \
		(e)->result = (c)->result;                                                                             \
		(e)->latency_ns = (c)->ns;                                                                             \
		(e)->arg1 = (c)->args.a1;                                                                              \
		(e)->arg2 = (c)->args.a2;                                                                              \
		(e)->arg3 = (c)->args.a3;                                                                              \
		(e)->arg4 = (c)->args.a4;                                                                              \
		(e)->arg5 = (c)->args.a5;                                                                              \
		(e)->arg6 = (c)->args.a6;                                                                              \
		(e)->pid = (c)->who->pid;                                                                              \
		(e)->tid = (c)->who->tid;                                                                              \
		(e)->nr = (c)->nr;                                                                                     \
		FILL_OBJECTS(e, (c)->objects);                                                                         \
	} while (0)

// Returns 0 if the string does not fit.
INLINE int read_string(u8 *to, u32 *length, u32 room, u64 from, s64 result, int last)
{
	*length = NO_LENGTH;
	if (!from)
		return 1;
	long n = bpf_probe_read_user_str(to, room, (void *)from);
	if (n < 0) {
		if (result != -EFAULT)
			lose(LOSS_syscall_string_unreadable);
		return 1;
	}
	if (n >= room && !last)
		return 0;
	*length = n > 0 ? n - 1 : 0;
	return 1;
}

INLINE void read_address(u8 *to, u32 *length, u32 room, struct event_call *t, struct ended_call *c)
{
	u64 from = arg_at(&c->args, t->address), bytes = (u32)arg_at(&c->args, t->length);
	*length = NO_LENGTH;
	if (!from)
		return;
	if (t->length_at) {
		u32 value = 0;
		bpf_probe_read_user(&value, sizeof(value), (void *)arg_at(&c->args, t->length_at));
		bytes = value;
	}
	if (bytes > room)
		bytes = room;
	if (bytes && bpf_probe_read_user(to, bytes, (void *)from)) {
		if (c->result != -EFAULT)
			lose(LOSS_syscall_string_unreadable);
		return;
	}
	*length = bytes;
}

// Returns 0 if a string does not fit.
#define FILL_STRINGS(e, t, c, last)                                                                                    \
	({                                                                                                             \
		int fits = 1, filled = (c)->points && (!(t)->out || (c)->result >= 0);                                 \
		(e)->string1_len = (e)->string2_len = (e)->sockaddr_len = NO_LENGTH;                                   \
		if ((c)->kept) {                                                                                       \
			u32 n = (c)->kept->length;                                                                     \
			if (n < sizeof((e)->string1)) {                                                                \
				bpf_probe_read_kernel((e)->string1, n, (c)->kept->string);                             \
				(e)->string1_len = n;                                                                  \
			} else if (n != NO_LENGTH) {                                                                   \
				fits = 0;                                                                              \
			}                                                                                              \
		} else if (filled) {                                                                                   \
			if ((t)->string1)                                                                              \
				fits = read_string((e)->string1, &(e)->string1_len, sizeof((e)->string1),              \
				                   arg_at(&(c)->args, (t)->string1), (c)->result, last);               \
			if (fits && (t)->string2)                                                                      \
				fits = read_string((e)->string2, &(e)->string2_len, sizeof((e)->string2),              \
				                   arg_at(&(c)->args, (t)->string2), (c)->result, last);               \
			if ((t)->address)                                                                              \
				read_address((e)->sockaddr, &(e)->sockaddr_len, sizeof((e)->sockaddr), t, c);          \
		}                                                                                                      \
		fits;                                                                                                  \
	})

#define FILL_WITHOUT_STRINGS(e, c)                                                                                     \
	({                                                                                                             \
		FILL_EVENT(e, c);                                                                                      \
		1;                                                                                                     \
	})
#define FILL_WITH_STRINGS(e, t, c, last)                                                                               \
	({                                                                                                             \
		FILL_EVENT(e, c);                                                                                      \
		FILL_STRINGS(e, t, c, last);                                                                           \
	})

INLINE struct kept *kept_call(struct event_call *t, struct who *who, u16 nr)
{
	u32 key = t->keep == KEEP_EXEC ? who->pid : who->tid;
	struct kept *k = kept_calls.lookup(&key);
	return k && k->nr == nr ? k : NULL;
}

INLINE void forget_call(struct event_call *t, struct who *who)
{
	u32 key = t->keep == KEEP_EXEC ? who->pid : who->tid;
	kept_calls.delete(&key);
}

// `regs` is NULL for a call that will never return.
INLINE void call_ends(struct who *who, void *regs, u16 nr, u64 entered, u64 ns, s64 result)
{
	struct event_call *t = event_call(nr);
	int zero = 0;
	if (!t || !t->wanted)
		return;
	if (THROTTLED(syscall)) {
		if (t->keep && t->keep != KEEP_FILE)
			forget_call(t, who);
		return;
	}
	struct ended_call c = {.who = who, .nr = nr, .entered = entered, .ns = ns, .result = result};
	if (t->keep && t->keep != KEEP_FILE)
		c.kept = kept_call(t, who, nr);
	if (c.kept)
		c.args = c.kept->args;
	else if (regs && t->keep != KEEP_EXEC)
		read_args(&c.args, regs, nr);
	else
		c.args = (struct call_args){NO_ARG, NO_ARG, NO_ARG, NO_ARG, NO_ARG, NO_ARG};
	if (regs && (t->fd || t->fd2))
		c.objects = objects_of_calls.lookup(&zero);
	int points = t->string1 || (t->address && arg_at(&c.args, t->address));
	c.points = points && c.args.a1 != NO_ARG;
	if ((c.points || !MADE(syscall_0, BPF_RB_NO_WAKEUP, FILL_WITHOUT_STRINGS, &c)) &&
	    !MADE(syscall_1, BPF_RB_NO_WAKEUP, FILL_WITH_STRINGS, t, &c, 0) &&
	    !MADE(syscall_2, BPF_RB_NO_WAKEUP, FILL_WITH_STRINGS, t, &c, 1))
		NO_ROOM(syscall);
	if (c.kept)
		forget_call(t, who);
}

INLINE void call_never_returns(struct who *who, u16 nr, u64 entered)
{
	call_ends(who, NULL, nr, entered, UNKNOWN_NS, NO_RESULT);
}

// Which program makes an event of the call, by way of that which identifies what it is about; 0: none.
INLINE u32 event_hook(u16 nr)
{
	struct event_call *t = event_call(nr);
	if (!t || !t->wanted)
		return 0;
	return t->fd || t->fd2 ? IDENTIFY_CALL : EVENT_CALL;
}

// `position` is that of an argument, or FD_RESULT.
INLINE void identify_argument(struct control *c, struct object *o, struct returned *call, u64 fd, u8 position)
{
	void *file = position ? own_file(fd) : NULL;
	__builtin_memset(o, 0, sizeof(*o));
	o->type = NO_CHOICE;
	if (!file)
		return;
	identify_object(o, file);
	struct object seen = as_described(o, o->type == OBJECT_socket ? sock_of(file) : NULL);
	if ((o->type == OBJECT_socket || has_path(o)) && !is_described(c, &seen))
		wants_name(call, fd);
}

// Identifies what the descriptors of a call stand for when it returns.
int on_identify(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	void *regs = (void *)ctx->args[0];
	struct returned call = take_returned(regs, 0);
	struct event_call *t = event_call(call.nr);
	int zero = 0;
	u32 tid = call.caller;
	struct call_objects *o = objects_of_calls.lookup(&zero);
	if (!c || !t || !o)
		return 0;
	o->caller = call.caller;
	struct object *kept = t->keep == KEEP_FILE ? closed.lookup(&tid) : NULL;
	if (kept)
		o->first = *kept;
	else
		identify_argument(c, &o->first, &call, fd_of(regs, call.nr, t->fd), t->fd);
	if (t->fd2 == FD_RESULT)
		identify_argument(c, &o->second, &call, ctx->args[1], FD_RESULT);
	else
		identify_argument(c, &o->second, &call, fd_of(regs, call.nr, t->fd2), t->fd2);
	go_on(ctx, EVENT_CALL, call);
	return 0;
}

int on_call(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *regs = (void *)ctx->args[0];
	struct returned call = take_returned(regs, 0);
	struct who who;
	if (!c || !cpu)
		return 0;
	identify(c, cpu, call.caller, &who);
	call_ends(&who, regs, call.nr, call.entered ? call.entered : call.ts, latency_of(&call), ctx->args[1]);
	go_further(ctx, shape_of(call.nr), call);
	return 0;
}
#else
INLINE void call_begins(struct cpu_state *cpu, void *regs, u16 nr, u64 me)
{
}

INLINE u32 event_hook(u16 nr)
{
	return 0;
}

INLINE void call_never_returns(struct who *who, u16 nr, u64 entered)
{
}
#endif
