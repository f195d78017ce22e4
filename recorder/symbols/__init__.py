"""Names of functions: of the kernel (`kernel.py`), and in processes (`resolver.py`, with its children)."""
