// SPDX-License-Identifier: MIT
// Memory that the kernel allocates and frees for itself, by the process that is running: compiled in only on request.
//
// Interrupts also allocate while a thread runs. This is not the thread's doing, and is counted separately.

#ifdef RECORDS_kernel_memory

BPF_HASH(allocated, u64, u64, ALLOCATED_ENTRIES);  // size by address, where a free does not report it

#define ZERO_SIZE_PTR 16  // kmalloc(0) returns this (include/linux/slab.h)

// The counters of the running process, or of interrupts. NULL: not recorded.
INLINE struct kernel_memory_val *kernel_memory_now(void)
{
	struct control *c = recording();
	struct cpu_state *cpu = this_cpu();
	struct kernel_memory_key key = {.pid = NO_PROCESS_PID, .start = NO_PROCESS_START};  // of interrupts
	struct who who;
	u64 me = bpf_get_current_pid_tgid();
	if (!c || !cpu)
		return NULL;
	if (cpu->interrupts || !(me >> 32)) {
		if (c->filters)
			return NULL;
	} else {
		if (!identify(c, cpu, me, &who))
			return NULL;
		key.pid = who.pid;
		key.start = who.start;
	}
	return kernel_memory_cell(c, &key);
}

// A recorded process may free objects that another allocated, so sizes are kept whoever allocates.
INLINE void keep_size(u64 object, u64 bytes)
{
	if (recording() && allocated.update(&object, &bytes))
		lose(LOSS_allocated_map);
}

INLINE int count_object(u64 object, u64 bytes)
{
	struct kernel_memory_val *v = kernel_memory_now();
	if (v && object > ZERO_SIZE_PTR) {
		ADD(v->allocations, 1);
		ADD(v->allocated_bytes, bytes);
	}
	return 0;
}

INLINE int count_free(u64 *bytes)
{
	struct kernel_memory_val *v = kernel_memory_now();
	if (!v)
		return 0;
	ADD(v->frees, 1);
	if (bytes)
		ADD(v->freed_bytes, *bytes);
	else
		ADD(v->frees_of_unknown_size, 1);
	return 0;
}

INLINE int sized_alloc(u64 object, u64 bytes)
{
	if (object > ZERO_SIZE_PTR)
		keep_size(object, bytes);
	return count_object(object, bytes);
}

INLINE int unsized_free(u64 object)
{
	if (object <= ZERO_SIZE_PTR)
		return 0;
	u64 *known = allocated.lookup(&object), bytes = known ? *known : 0;
	if (known)
		allocated.delete(&object);
	return count_free(known ? &bytes : NULL);
}

// A cache has one object size. Before 6.1 an allocation reported it, and a free did not.
INLINE int cache_alloc(struct bpf_raw_tracepoint_args *ctx)
{
#ifdef CACHES_ARE_NAMED
	u32 bytes = 0;
	KREAD(bytes, (void *)ctx->args[2], kmem_cache, size);
	return count_object(ctx->args[1], bytes);
#else
	return sized_alloc(ctx->args[1], ctx->args[3]);
#endif
}

int on_kmalloc(struct bpf_raw_tracepoint_args *ctx)
{
	return sized_alloc(ctx->args[1], ctx->args[3]);
}

int on_kmalloc_node(struct bpf_raw_tracepoint_args *ctx)
{
	return sized_alloc(ctx->args[1], ctx->args[3]);
}

int on_kfree(struct bpf_raw_tracepoint_args *ctx)
{
	return unsized_free(ctx->args[1]);
}

int on_cache_alloc(struct bpf_raw_tracepoint_args *ctx)
{
	return cache_alloc(ctx);
}

int on_cache_alloc_node(struct bpf_raw_tracepoint_args *ctx)
{
	return cache_alloc(ctx);
}

int on_cache_free(struct bpf_raw_tracepoint_args *ctx)
{
#ifdef CACHES_ARE_NAMED
	u32 size = 0;
	KREAD(size, (void *)ctx->args[2], kmem_cache, size);
	u64 bytes = size;
	return ctx->args[1] ? count_free(&bytes) : 0;
#else
	return unsized_free(ctx->args[1]);
#endif
}

int on_pages_alloc(struct bpf_raw_tracepoint_args *ctx)
{
	struct kernel_memory_val *v = ctx->args[0] ? kernel_memory_now() : NULL;
	if (v)
		ADD(v->pages_allocated_bytes, (u64)PAGE_SIZE << (u32)ctx->args[1]);
	return 0;
}

int on_pages_free(struct bpf_raw_tracepoint_args *ctx)
{
	struct kernel_memory_val *v = kernel_memory_now();
	if (v)
		ADD(v->pages_freed_bytes, (u64)PAGE_SIZE << (u32)ctx->args[1]);
	return 0;
}
#endif
