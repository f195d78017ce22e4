"""The BPF programs, and the generated C in front of them."""
