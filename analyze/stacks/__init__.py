"""Stacks of a trace put together: for flame graphs, and in the formats of other tools."""
