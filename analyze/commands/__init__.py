"""The commands that read a trace, one file each. `sysmon/commands.py` has the table of all commands."""
