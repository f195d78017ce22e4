"""State snapshots: processes, memory, control groups, the machine."""
