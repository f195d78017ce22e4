"""What recording needs, looked at one by one: each finding with what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from bpf.errors import SysmonError
from recorder import host, kernel, loader, privilege, program
from recorder.btf import Btf
from recorder.names import SyscallNames

LOCKDOWN = "/sys/kernel/security/lockdown"
TRACEFS = ("/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events")


@dataclass(frozen=True)
class Finding:
    """What was found of one subject. Only a fatal one that is not good keeps sysmon from recording."""

    subject: str
    good: bool
    text: str
    remedy: str = ""
    fatal: bool = True


def examine() -> Iterator[Finding]:
    """The findings, cheapest first."""
    uname = os.uname()
    yield Finding("kernel", True, f"{uname.release} on {uname.machine}, {len(kernel.online_cpus())} CPUs")
    yield _privilege()
    yield _pid_namespace()
    yield _lockdown()
    yield _tracefs()
    try:
        btf, names = Btf.of_kernel(), SyscallNames()
        yield Finding("BTF", True, "the kernel describes its types")
        plan = program.plan(btf, names)
    except SysmonError as error:
        yield Finding("BTF", False, str(error))
        return
    yield from _tracepoints(btf, plan)
    if not privilege.may_record():
        return
    kernel.raise_memlock_limit()
    yield from _load(plan)


def _privilege() -> Finding:
    if privilege.may_record():
        return Finding("privilege", True, f"uid {os.geteuid()} with {', '.join(sorted(privilege.effective()))}")
    return Finding("privilege", False, f"uid {os.geteuid()} may not load BPF programs", "run it with sudo")


def _pid_namespace() -> Finding:
    if host.in_initial_pid_namespace():
        return Finding("pids", True, "those of the host")
    return Finding(
        "pids", False, "this is a container with pids of its own", "record on the host, or use docker run --pid=host"
    )


def _lockdown() -> Finding:
    try:
        with open(LOCKDOWN) as f:
            mode = f.read().split("[")[1].split("]")[0]
    except (OSError, IndexError):
        return Finding("lockdown", True, "none")
    if mode == "confidentiality":
        return Finding(
            "lockdown", False, "confidentiality: BPF may not read kernel memory", "boot with lockdown=integrity or none"
        )
    return Finding("lockdown", True, mode)


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
        loaded = loader.Loading(plan).result()
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
