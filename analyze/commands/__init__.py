"""The commands that read a trace, one file each. `sysmon.py` has the table of all commands."""
