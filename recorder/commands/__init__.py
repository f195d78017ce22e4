"""The commands that need a kernel to record."""
