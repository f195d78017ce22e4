"""Stacks of threads: from addresses in the kernel's maps to rows of functions."""
