"""Names of addresses: `kernel.py` of the kernel, `resolver.py` of processes; `wire.py` frames answers of a child."""
