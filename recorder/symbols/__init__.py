"""Names of addresses: `kernel.py` those of the kernel, `wire.py` how names of a process come from a child."""
