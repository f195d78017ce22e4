"""Gets the programs into the kernel: text for this kernel, compiler, cache, bpf(2)."""
