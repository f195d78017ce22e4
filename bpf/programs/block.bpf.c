// SPDX-License-Identifier: MIT
// Requests to disks, from when they are made to their end.
//
// A request is made in the context of the thread that wants it; from then on, any thread or interrupt may run. So who
// wanted it is noted when it is made. Before Linux 6.5 (no block_io_start) it is first seen when it is put into the
// queue, which the same thread does, or when the driver gets it, which a worker may do.

#ifdef RECORDS_block_io
BPF_HASH(block_requests, u64, struct block_request, BLOCK_ENTRIES);  // by address

#ifdef HAVE_request__cmd_flags  // a kernel may have no block layer
#define KNOWS_REQUESTS 1
#endif
#endif

#ifdef KNOWS_REQUESTS

#define PF_WQ_WORKER 0x20  // include/linux/sched.h
#define NO_SUBMITTER 0xFF

// include/linux/blk_types.h: REQ_OP_…
#define OP_MASK 0xFF
#define OP_READ 0
#define OP_WRITE 1
#define OP_FLUSH 2
#define OP_DISCARD 3
#define OP_SECURE_ERASE 5
#define OP_WRITE_ZEROES 9

INLINE u8 block_operation(void *rq)
{
	u32 flags = 0, bytes = 0;
	CREAD(flags, rq, request, cmd_flags);
	switch (flags & OP_MASK) {
	case OP_READ:
		return BLOCK_read;
	case OP_WRITE:
		CREAD(bytes, rq, request, __data_len);
		return bytes ? BLOCK_write : BLOCK_flush_wait;
	case OP_WRITE_ZEROES:
	case OP_ZONE_APPEND:
		return BLOCK_write;
	case OP_FLUSH:
		return BLOCK_flush;
	case OP_DISCARD:
	case OP_SECURE_ERASE:
		return BLOCK_discard;
	}
	return BLOCK_other;
}

INLINE u32 disk_of(void *rq)
{
	void *disk = NULL;
	u32 major = 0, minor = 0;
#ifdef HAVE_request_queue__disk
	void *queue = NULL;
	CREAD(queue, rq, request, q);
	CREAD(disk, queue, request_queue, disk);
#else  // before 5.14
	CREAD(disk, rq, request, rq_disk);
#endif
	if (!disk)  // a queue of commands only
		return 0;
	CREAD(major, disk, gendisk, major);
	CREAD(minor, disk, gendisk, first_minor);
	return as_stat_shows(major << 20 | minor);
}

// The control group that the kernel charges. It does so for write-back, which is not in the name of the running thread,
// in the unified hierarchy only.
INLINE u64 io_group_of(void *bio, int is_write_back)
{
#ifdef HAVE_bio__bi_blkg
	void *blkg = NULL, *blkcg = NULL, *cgroup = NULL, *root = NULL, *unified = NULL;
	CREAD(blkg, bio, bio, bi_blkg);
	if (!blkg)
		return 0;
	CREAD(blkcg, blkg, blkcg_gq, blkcg);
	bpf_probe_read_kernel(&cgroup, sizeof(cgroup), blkcg + OFFSET_blkcg__css + OFFSET_cgroup_subsys_state__cgroup);
	if (is_write_back) {
		CREAD(root, cgroup, cgroup, root);
		KREAD(unified, cgroup_of(CURRENT_TASK()), cgroup, root);
		if (root != unified)
			return 0;
	}
	return cgroup_id(cgroup);
#else
	return 0;
#endif
}

// A worker of the kernel makes a request for others.
INLINE u8 passed_on_as(u32 flags, u16 bio_flags, u8 operation)
{
	int asked_for = operation == BLOCK_read || flags & (1U << REQ_SYNC_BIT);
#ifdef BIO_LIMITED
	if (asked_for && bio_flags & (1U << BIO_LIMITED))
		return BLOCK_BY_limited;
#endif
	if (operation == BLOCK_write && !(flags & (1U << REQ_IDLE_BIT)))  // direct writes have it
		return BLOCK_BY_write_back;
	return BLOCK_BY_worker;
}

// Notes who makes a request. Returns whether it is recorded.
INLINE int note_submitter(struct control *c, struct cpu_state *cpu, struct block_request *r, void *rq)
{
	void *task = CURRENT_TASK(), *bio = NULL;
	u64 me = bpf_get_current_pid_tgid();
	u32 task_flags = 0, flags = 0;
	u16 bio_flags = 0;
	struct who who;
	TREAD(task_flags, task, task_struct, flags);
	CREAD(bio, rq, request, bio);
	if (!(me >> 32))  // an idle thread: an interrupt
		return !c->filters;
	if (task_flags & PF_WQ_WORKER) {
		CREAD(flags, rq, request, cmd_flags);
		CREAD(bio_flags, bio, bio, bi_flags);
		r->submitted_by = passed_on_as(flags, bio_flags, r->operation);
		r->io_group = io_group_of(bio, r->submitted_by == BLOCK_BY_write_back);
		return !c->filters;
	}
	int wanted = identify(c, cpu, me, &who);
	r->submitted_by = BLOCK_BY_process;
	r->pid = who.pid;
	r->start = who.start;
	r->io_group = io_group_of(bio, 0);
	return wanted;
}

INLINE struct block_request unknown_request(void *rq)
{
	struct block_request r = {
		.pid = NO_PROCESS_PID,
		.start = NO_PROCESS_START,
		.submitted_by = NO_SUBMITTER,
	};
	r.operation = block_operation(rq);
	r.disk_device = disk_of(rq);
	if (r.operation == BLOCK_flush)
		r.submitted_by = BLOCK_BY_device;
	return r;
}

INLINE void keep_request(void *rq, struct block_request *r)
{
	u64 id = (u64)rq;
	if (block_requests.update(&id, r))
		lose(LOSS_block_map);
}

INLINE void make_request(void *rq)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	if (!c || !cpu)
		return;
	struct block_request r = unknown_request(rq);
	r.made = bpf_ktime_get_boot_ns();
	u64 id = (u64)rq;
	if (note_submitter(c, cpu, &r, rq))
		keep_request(rq, &r);
	else
		block_requests.delete(&id);
}

INLINE void count_request(struct control *c, struct block_request *r, u64 now, int failed)
{
	struct block_io_key key = {
		.start = r->start,
		.pid = r->pid,
		.disk_device = r->disk_device,
		.operation = r->operation,
		.submitted_by = r->submitted_by,
		.io_group = r->io_group,
		.stage = BLOCK_STAGE_service,
		.duration_bucket = NO_RETURN,
		.size_bucket = BLOCK_NO_SIZE,
	};
	u64 began = r->operation == BLOCK_flush_wait ? r->made : r->issued;  // the driver never gets that one itself
	u64 service_ns = began && now > began ? now - began : 0;
	if (began)
		key.duration_bucket = bucket_of(service_ns);
	if (r->ended_bytes)
		key.size_bucket = bpf_log2l(r->ended_bytes) - 1;  // counts from 1
	struct block_io_val *v = block_io_cell(c, &key);
	if (!v)
		return;
	ADD(v->requests, 1);
	ADD(v->request_bytes, r->ended_bytes);
	ADD(v->failed_requests, failed);
	ADD(v->requeues, r->requeues);
	ADD(v->service_ns, service_ns);
	if (service_ns > v->max_service_ns)
		v->max_service_ns = service_ns;
}

INLINE void count_queueing(struct control *c, struct block_request *r)
{
	u64 queue_ns = r->issued > r->made ? r->issued - r->made : 0;
	struct block_io_key key = {
		.start = r->start,
		.pid = r->pid,
		.disk_device = r->disk_device,
		.operation = r->operation,
		.submitted_by = r->submitted_by,
		.io_group = r->io_group,
		.stage = BLOCK_STAGE_queue,
		.duration_bucket = bucket_of(queue_ns),
		.size_bucket = BLOCK_NO_SIZE,
	};
	struct block_io_val *v = block_io_cell(c, &key);
	if (!v)
		return;
	ADD(v->queued, 1);
	ADD(v->queue_ns, queue_ns);
	if (queue_ns > v->max_queue_ns)
		v->max_queue_ns = queue_ns;
}
#endif

PROGRAM(block_start)
{
#ifdef KNOWS_REQUESTS
	make_request((void *)ctx->args[0]);
#endif
}

// Attached where there is no block_io_start.
PROGRAM(block_insert)
{
#ifdef KNOWS_REQUESTS
	u64 id = ctx->args[REQUEST_ARGUMENT];
	if (!block_requests.lookup(&id))
		make_request((void *)id);
#endif
}

PROGRAM(block_issue)
{
#ifdef KNOWS_REQUESTS
	struct control *c = recording();
	u64 id = ctx->args[REQUEST_ARGUMENT];
	struct block_request *known = block_requests.lookup(&id);
	if (!c)
		return;
#ifdef REQUESTS_START_UNSEEN
	if (!known && block_operation((void *)id) != BLOCK_flush) {
		make_request((void *)id);
		known = block_requests.lookup(&id);
	}
#endif
	if (known && !known->issued) {
		known->issued = bpf_ktime_get_boot_ns();
		return;
	}
	// The block layer's own, made before the recording, or of a process that is not recorded. Or, as it is not issued
	// twice without being given back, its address is that of a request whose end we missed.
	struct block_request r = unknown_request((void *)id);
	r.issued = bpf_ktime_get_boot_ns();
	if (!c->filters)
		keep_request((void *)id, &r);
	else if (known)
		block_requests.delete(&id);
#endif
}

PROGRAM(block_requeue)
{
#ifdef KNOWS_REQUESTS
	u64 id = ctx->args[REQUEST_ARGUMENT];
	struct block_request *r = block_requests.lookup(&id);
	if (!r)
		return;
	r->issued = 0;
	r->requeues++;
#endif
}

// A request becomes part of another.
PROGRAM(block_merge)
{
#ifdef KNOWS_REQUESTS
	u64 id = ctx->args[REQUEST_ARGUMENT];
	block_requests.delete(&id);
#endif
}

// A request, or a part of one, has ended. A write that was part of a sequence of flushes ends once more with the
// sequence, without bytes.
PROGRAM(block_complete)
{
#ifdef KNOWS_REQUESTS
	struct control *c = recording();
	void *rq = (void *)ctx->args[0];
	u64 id = (u64)rq;
	u32 bytes = ctx->args[2], left = 0;
	struct block_request *known = block_requests.lookup(&id), r;
	if (!c)
		return;
	if (known)
		r = *known;
	else if (c->filters)
		return;
	else
		r = unknown_request(rq);
	if (!known && !bytes && r.operation != BLOCK_flush)
		return;
	CREAD(left, rq, request, __data_len);
	r.ended_bytes += bytes;
	if (bytes < left) {
		keep_request(rq, &r);
		return;
	}
	if (known)
		block_requests.delete(&id);
	count_request(c, &r, bpf_ktime_get_boot_ns(), (u32)ctx->args[1] != 0);
	if (r.made && r.issued)
		count_queueing(c, &r);
#endif
}
