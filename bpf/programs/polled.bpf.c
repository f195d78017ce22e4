// SPDX-License-Identifier: MIT
// What threads poll: the descriptors in the set of a call, once per interval for each set.

#ifdef RECORDS_polled
// What a thread polls by one epoll, or by poll: which set was sent last.
struct poller {
	u64 thread;
	u64 fd;  // of the epoll; NO_EPOLL
};
struct sent_set {
	u64 content;
	u32 epoch;
	u32 sent;  // in this epoch
};
BPF_TABLE("lru_hash", struct poller, struct sent_set, sent_sets, DESCRIBED_ENTRIES);
BPF_TABLE("lru_hash", u64, u64, epoll_changes, DESCRIBED_ENTRIES);  // by epoll_ctl, of each epoll

#define NO_EPOLL (~0ULL)

// A set that is being sent. It is in a map, as the stack is small; what the callbacks get is where.
struct polling {
	u64 caller;  // pid_tgid
	u64 ts, start;
	void *at;    // the next struct pollfd, or node of an epoll
	void *from;  // the node that was left for that
	u64 left, sent;
	s32 epoll_fd;
	u32 size;
	u64 nr;
};
BPF_PERCPU_ARRAY(pollings, struct polling, 1);

struct turn {
	struct polling *p;
	struct control *c;
};

// struct pollfd (include/uapi/asm-generic/poll.h).
struct polled_fd {
	s32 fd;
	u16 events, returned;
};

// Whether to send a set: the first of an epoch, and some of those that differ from the last.
INLINE int is_new_set(struct control *c, u64 caller, u64 fd, u64 content)
{
	struct poller poller = {.thread = caller, .fd = fd};
	struct sent_set set = {.content = content, .epoch = c->epoch, .sent = 1}, *last = sent_sets.lookup(&poller);
	if (last && last->epoch == set.epoch) {
		if (last->content == content || last->sent >= MOST_SETS)
			return 0;
		set.sent += last->sent;
	}
	sent_sets.update(&poller, &set);
	return 1;
}

INLINE void send_polled(struct turn *t, s32 fd, u32 events, void *file)
{
	struct polling *p = t->p;
	struct object object = {};
	struct polled *e = polled_ring.ringbuf_reserve(sizeof(*e));
	if (!e) {
		lose(LOSS_polled_ring);
		return;
	}
	object.type = NO_CHOICE;
	if (file)
		identify_object(&object, file);
	e->ts = p->ts;
	e->start = p->start;
	e->pid = p->caller >> 32;
	e->tid = p->caller;
	e->nr = p->nr;
	e->epoll_fd = p->epoll_fd;
	e->polled_fd = fd;
	e->polled_events = events;
	e->set_size = p->size;
	e->object = object.inode;
	e->object_device = object.device;
	e->object_type = object.type;
	polled_ring.ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	if (object.type == OBJECT_socket)
		send_socket(t->c, p->ts, &object, sock_of(file));
}

// Whether another thread has written there, where programs are preemptible.
INLINE int is_taken(struct polling *p)
{
	return p->caller != bpf_get_current_pid_tgid();
}

// The next descriptor of a poll. Returns 1 after the last one.
INLINE int poll_one(struct turn *t)
{
	struct polling *p = t->p;
	struct polled_fd next = {};
	if (is_taken(p) || !p->left || bpf_probe_read_user(&next, sizeof(next), p->at))
		return 1;
	if (next.fd >= 0)
		send_polled(t, next.fd, next.events, own_file(next.fd));
	p->at += sizeof(next);
	p->left--;
	return 0;
}
CALLBACK(poll_one, struct turn)

#if defined(HAVE_epitem__rbn) && defined(HAVE_eventpoll__rbr__rb_root__rb_node) && defined(HAVE_rb_node__rb_left)
#define KNOWS_EPOLL

// Goes one step through the tree of an epoll, from left to right, and sends what it passes. Returns 1 after the last one.
INLINE int poll_next(struct turn *t)
{
	struct polling *p = t->p;
	u64 parent = 0;
	void *node = p->at, *left = NULL, *right = NULL, *file = NULL, *up;
	u32 events = 0;
	s32 fd = 0;
	if (is_taken(p) || !node || p->sent >= MOST_POLLED)
		return 1;
	KREAD(parent, node, rb_node, __rb_parent_color);
	KREAD(left, node, rb_node, rb_left);
	KREAD(right, node, rb_node, rb_right);
	up = (void *)(parent & ~3ULL);
	int comes_down = p->from == up, is_passed = comes_down ? !left : p->from == left;
	if (is_passed) {
		void *item = node - OFFSET_epitem__rbn;
		KREAD(file, item, epitem, ffd__file);
		KREAD(fd, item, epitem, ffd__fd);
		KREAD(events, item, epitem, event__events);
		send_polled(t, fd, events, file);
		p->sent++;
	}
	p->from = node;
	p->at = comes_down && left ? left : is_passed && right ? right : up;
	return 0;
}
CALLBACK(poll_next, struct turn)

// Of a descriptor that is an epoll, as the call would have failed otherwise.
INLINE u64 epoll_of(s32 fd)
{
	void *file = own_file(fd), *epoll = NULL;
	if (file)
		CREAD(epoll, file, file, private_data);
	return (u64)epoll;
}

INLINE int begin_epoll(struct control *c, struct polling *p, s32 fd)
{
	u64 epoll = epoll_of(fd), *changes = epoll_changes.lookup(&epoll);
	if (!epoll || !is_new_set(c, p->caller, (u32)fd, changes ? *changes : 0))
		return 0;
	p->epoll_fd = fd;
	KREAD(p->at, epoll, eventpoll, rbr__rb_root__rb_node);
	return 1;
}

INLINE void change_epoll(s32 fd)
{
	u64 epoll = epoll_of(fd), one = 1, *changes = epoll_changes.lookup(&epoll);
	if (changes)
		__sync_fetch_and_add(changes, 1);
	else if (epoll)
		epoll_changes.update(&epoll, &one);
}
#endif

INLINE int begin_poll(struct control *c, struct polling *p, void *at, u64 size)
{
	struct polled_fd fds[MOST_POLLED] = {};
	u64 content = size;
	u32 bytes = (size < MOST_POLLED ? size : MOST_POLLED) * sizeof(fds[0]);
	BOUND_HERE(bytes);
	if (!size || bytes > sizeof(fds) || bpf_probe_read_user(fds, bytes, at))
		return 0;
	for (int i = 0; i < MOST_POLLED; i++)
		content = (content ^ (u64)(u32)fds[i].fd ^ (u64)fds[i].events << 32) * 0x9e3779b97f4a7c15ULL;
	if (!is_new_set(c, p->caller, NO_EPOLL, content))
		return 0;
	p->at = at;
	p->left = size;
	p->size = size;
	return 1;
}

INLINE int begin_set(struct control *c, struct polling *p, struct shape *shape, void *regs)
{
	if (shape->form == FORM_POLL)
		return begin_poll(c, p, (void *)argument(regs, 1), (u32)argument(regs, 2));
#ifdef KNOWS_EPOLL
	if (shape->form == FORM_EPOLL)
		return begin_epoll(c, p, argument(regs, 1));
	change_epoll(argument(regs, 1));
#endif
	return 0;
}

int on_poll(struct bpf_raw_tracepoint_args *ctx)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	void *regs = (void *)ctx->args[0];
	struct returned call = take_returned(regs, 0);
	struct shape *shape = shape_of(call.nr);
	int zero = 0;
	struct polling *p = pollings.lookup(&zero);
	struct who who;
	if (!c || !cpu || !shape || !p || (s64)ctx->args[1] < 0)
		return 0;
	identify(c, cpu, call.caller, &who);
	__builtin_memset(p, 0, sizeof(*p));
	p->caller = call.caller;
	p->ts = call.ts;
	p->start = who.start;
	p->nr = call.nr;
	p->epoll_fd = -1;
	if (begin_set(c, p, shape, regs))
		hooks.call(ctx, POLLED_CALL);
	return 0;
}

int on_polled(struct bpf_raw_tracepoint_args *ctx)
{
	int zero = 0;
	struct turn turn = {.p = pollings.lookup(&zero), .c = recording()};
	if (!turn.p || !turn.c)
		return 0;
	if (turn.p->epoll_fd < 0) {
		REPEAT(MOST_POLLED, poll_one, &turn);
		return 0;
	}
#ifdef KNOWS_EPOLL
	REPEAT(4 * MOST_POLLED, poll_next, &turn);
#endif
	return 0;
}
#endif
