"""Makes a trace from what there is of one."""
