"""Kernel to trace.parquet: the only part of sysmon that needs privilege.

`compiler` is the only module that imports bcc, in a process of its own. Nothing here reads a trace.
"""
