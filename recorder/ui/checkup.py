"""Checks what recording needs, one by one: each finding says what to do about it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sysmon.errors import SysmonError
from sysmon.recorder.load import bpf_maps, loader, program
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.cpus import online_cpus
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.own import capabilities, limits, privilege
from sysmon.recorder.sample import host

TRACEFS = ("/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events")

OF_USE = {
    "CAP_SYS_PTRACE": "paths of other users' processes that are alive at the start or the end will be missing",
    "CAP_SYS_ADMIN": "the cost of the BPF programs will not be measured, unless sysctl kernel.bpf_stats_enabled=1",
    "CAP_SYS_NICE": "the recorder will run at normal priority, and may lose events on a busy machine",
    "CAP_SYSLOG": "memory peaks may be exact only to a batch per CPU",
    "CAP_SYS_RESOURCE": "before Linux 5.11 BPF maps need a high RLIMIT_MEMLOCK",
}
"""Optional capabilities, and what a recording lacks without them."""


@dataclass(frozen=True)
class Finding:
    """The result of one check. Only a failed check that is fatal prevents recording."""

    subject: str
    good: bool
    text: str
    remedy: str = ""
    fatal: bool = True


def examine() -> Iterator[Finding]:
    """The findings, cheapest first."""
    uname = os.uname()
    yield Finding("kernel", True, f"{uname.release} on {uname.machine}, {len(online_cpus())} CPUs")
    yield _privilege()
    if privilege.may_record():
        yield from _not_known()
    yield _pid_namespace()
    yield _lockdown()
    yield _memory()
    yield _tracefs()
    try:
        btf, names = Btf.of_kernel(), SyscallNames()
        yield Finding("BTF", True, "the kernel has BTF")
        plan = program.plan(btf, names)
    except SysmonError as error:
        yield Finding("BTF", False, str(error))
        return
    yield from _tracepoints(btf, plan)
    if not privilege.may_record():
        return
    bpf_maps.raise_memlock_limit()
    yield from _load(plan)


def _privilege() -> Finding:
    if lacking := privilege.missing():
        missing = f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} missing"
        return Finding("privilege", False, f"uid {os.geteuid()} may not load BPF programs: {missing}", _remedy())
    if not host.in_initial_user_namespace():
        return Finding("privilege", False, host.USER_NAMESPACE, "record outside of it")
    held = sorted(capabilities.effective() & {*privilege.NEEDED, *OF_USE})
    return Finding("privilege", True, f"uid {os.geteuid()} with {', '.join(held)}")


def _remedy() -> str:
    """The command that grants what is needed, to this user and for this program."""
    program = shlex.quote(sys.argv[0] if "/" in sys.argv[0] else "sysmon")
    caps = ",".join("+" + name.removeprefix("CAP_").lower() for name in privilege.NEEDED)
    as_me = f"--reuid {os.getuid()} --regid {os.getgid()} --init-groups --inh-caps={caps} --ambient-caps={caps}"
    return f"run it with sudo, or without being root: sudo setpriv {as_me} -- {program} record (docs/privileges.md)"


def _not_known() -> Iterator[Finding]:
    """What a recording would lack."""
    held = capabilities.effective()
    for name in OF_USE:
        if name not in held:
            yield Finding("privilege", False, f"{name} is missing: {OF_USE[name]}", fatal=False)
    if "CAP_SYS_PTRACE" not in held and privilege.hides_processes():
        yield Finding("/proc", False, "mounted with hidepid: other users' processes are not seen", fatal=False)


def _pid_namespace() -> Finding:
    if host.in_initial_pid_namespace():
        return Finding("pids", True, "those of the host")
    return Finding(
        "pids", False, "a container with its own pid namespace", "record on the host, or use docker run --pid=host"
    )


def _lockdown(path: Path = privilege.LOCKDOWN) -> Finding:
    if privilege.reading_is_locked(path):
        return Finding("lockdown", False, privilege.READING_IS_LOCKED, "boot with lockdown=integrity or without")
    return Finding("lockdown", True, privilege.lockdown(path))


def _memory() -> Finding:
    memory = limits.of_memory()
    if too_little := limits.for_recording(memory):
        return Finding("memory", False, too_little)
    return Finding(
        "memory", True, f"limited by {memory.file}, enough is left" if memory else "not limited by a control group"
    )


def _tracefs() -> Finding:
    mounted = any(os.path.isdir(path) for path in TRACEFS)
    return Finding("tracefs", True, "mounted (not needed)" if mounted else "not mounted (not needed)", fatal=False)


def _tracepoints(btf: Btf, plan: program.Plan) -> Iterator[Finding]:
    for probe in plan.probes:
        there = btf.tracepoint_args(probe.tracepoint) is not None
        text = f"{probe.tracepoint}, for {probe.records}"
        yield Finding("probe", there, text if there else f"{text}: this kernel has no such tracepoint", fatal=False)


def _load(plan: program.Plan) -> Iterator[Finding]:
    try:
        loaded = loader.Loading(plan, anew=True).result()
    except SysmonError as error:
        yield Finding("programs", False, str(error))
        return
    yield Finding("bcc", True, f"version {loaded.bcc_version}")
    if loaded.refused:
        for name, reason in loaded.refused.items():
            yield Finding("programs", False, f"the kernel refuses {name}: {reason}", fatal=True)
    else:
        yield Finding("programs", True, f"{len(loaded.programs)} compiled and accepted by the kernel")
    loaded.close()
