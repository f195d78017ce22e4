"""Loads the programs: text for this kernel, compiler, cache, bpf(2)."""
