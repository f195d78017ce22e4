"""The BPF programs, and the C text that stands in front of them, made from the declarations."""
