"""Looks at how things stand at a moment: processes, memory, control groups, the machine."""
