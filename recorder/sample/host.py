"""The machine: hardware, kernel, ids."""

from __future__ import annotations

import hashlib
import hmac
import os
import platform
import uuid
from pathlib import Path

from sysmon.bpf.trace_file.metadata import Host
from sysmon.recorder.load.cpus import online_cpus

MACHINE_ID = Path("/etc/machine-id")

APPLICATION = uuid.UUID("6f1b8a52-6d4f-4a0e-9d0b-3a5f5e7c2b91")
"""sysmon's application id. machine-id(5) asks programs to publish only an id derived from it, not the id itself."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

INIT_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h


def describe() -> Host:
    """The machine, its kernel and its size."""
    uname = os.uname()
    try:
        os_name: str | None = platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        os_name = None
    return Host(
        name=uname.nodename,
        kernel=uname.release,
        arch=uname.machine,
        os=os_name,
        cpus=len(online_cpus()),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    )


INIT_TIME_NAMESPACE = 0xEFFFFFFA  # PROC_TIME_INIT_INO


def in_initial_time_namespace() -> bool:
    """Whether our CLOCK_BOOTTIME is the programs'. A kernel without time namespaces has only one."""
    try:
        return os.stat("/proc/self/ns/time").st_ino == INIT_TIME_NAMESPACE
    except OSError:
        return True


USER_NAMESPACE = "this is a user namespace, whose root may not load BPF programs"


def in_initial_user_namespace() -> bool:
    """Whether root here is really root: the kernel takes no program from root of another user namespace."""
    try:
        with open("/proc/self/uid_map") as ids:
            return ids.read().split() == ["0", "0", "4294967295"]
    except OSError:  # a kernel without user namespaces
        return True


def in_initial_pid_namespace() -> bool:
    """Whether the pids that we see are those that the programs see."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino == INIT_PID_NAMESPACE
    except OSError:
        return False


def machine_id() -> str | None:
    """Distinguishes machines, as sd_id128_get_machine_app_specific(3) does; None if the machine has no id."""
    try:
        own = uuid.UUID(MACHINE_ID.read_text().strip())
    except (OSError, ValueError):  # missing, or "uninitialized": created at the next boot
        return None
    made = hmac.new(own.bytes, APPLICATION.bytes, hashlib.sha256).digest()
    return str(uuid.UUID(bytes=made[:16], version=4))


def boot_id() -> str | None:
    """Distinguishes boots, random(4); None if the kernel does not say."""
    try:
        return str(uuid.UUID(BOOT_ID.read_text().strip()))
    except (OSError, ValueError):
        return None
