"""The members of kernel structs that the programs read, by the file that reads them.

They become the macros OFFSET_…, SIZE_… and HAVE_… in front of the programs, with offsets from the running kernel's BTF
(recorder/load/program.py). A program that reads any other member does not compile.

A dot in a name denotes a member of a nested struct: two underscores in C. A question mark marks a member that a kernel
may lack, as it may lack those of file systems that can be modules; if any other is missing, nothing can be recorded.
"""

from __future__ import annotations

from sysmon.bpf.kinds import PROGRAMS

MEMBERS: dict[str, dict[str, str]] = {
    "common.bpf.h": {
        "task_struct": "comm group_leader start_boottime",
    },
    "calls.bpf.h": {
        "fdtable": "fd max_fds",
        "files_struct": "fdt",
        "kiocb": "ki_filp?",
        "pt_regs": "arg1 arg2 arg3 arg4 arg5 arg6 nr?",
        "task_struct": "files",
    },
    "paths.bpf.h": {
        "btrfs_inode": "root vfs_inode",
        "btrfs_root": "anon_dev",
        "dentry": "d_hash d_inode d_name.name d_parent",
        "file": "f_path",
        "fs_struct": "pwd root",
        "inode": "i_generation i_ino i_mode i_nlink i_sb",
        "mnt_namespace": "ns.inum?",
        "mount": "mnt mnt.mnt_root mnt_mountpoint mnt_ns mnt_parent",
        "nsproxy": "mnt_ns",
        "ovl_entry": "__lowerstack __numlower",
        "ovl_fs": "fs xino_mode?",
        "ovl_inode": "__upperdentry? flags oe vfs_inode",
        "ovl_layer": "fs fsid",
        "ovl_path": "dentry layer",
        "ovl_sb": "pseudo_dev",
        "super_block": "s_dev s_fs_info s_magic",
        "task_struct": "fs nsproxy",
    },
    "identify.bpf.h": {
        "dentry": "d_name.name",
        "file": "f_inode private_data",
        "inode": "i_ino i_mode i_sb",
        "sock_common": "skc_dport skc_num",
        "socket": "sk",
        "super_block": "s_magic",
    },
    "syscalls.bpf.c": {
        "pt_regs": "nr?",
        "task_struct": "mm sched_info.run_delay? seccomp.mode? start_boottime thread_info.status?",
    },
    "objects.bpf.h": {
        "dentry": "d_name.name",
        "sock_common": "skc_daddr skc_dport skc_num skc_v6_daddr?",
    },
    "waits.bpf.h": {
        "file": "f_inode private_data",
        "inode": "i_mode",
        "pt_regs": "nr? arg1 arg2",
        "sock_common": "skc_family",
        "socket": "sk",
        "task_struct": "__state? flags state? throttled?",
    },
    "wakeups.bpf.c": {
        "pt_regs": "arg2 arg3",
    },
    "stacks.bpf.h": {
        "task_struct": "flags",
    },
    "cpu.bpf.c": {
        "task_struct": "flags maj_flt min_flt nivcsw nvcsw sched_info.run_delay? se.sum_exec_runtime start_boottime "
        "stime utime",
    },
    "samples.bpf.c": {
        "task_struct": "group_leader start_boottime",
    },
    "kernel_memory.bpf.c": {
        "kmem_cache": "size",
    },
    "cgroups.bpf.c": {
        "cgroup": "kn root",
        "css_set": "dfl_cgrp",
        "kernfs_node": "__parent? id parent?",
        "task_struct": "cgroups tgid",
    },
    "process_io.bpf.c": {
        "task_struct": "ioac.rchar? ioac.read_bytes? start_boottime",
    },
    "block.bpf.c": {
        "bio": "bi_blkg? bi_flags?",
        "blkcg": "css?",
        "blkcg_gq": "blkcg?",
        "cgroup": "root",
        "cgroup_subsys_state": "cgroup?",
        "gendisk": "first_minor? major?",
        "request": "__data_len? bio? cmd_flags? q? rq_disk?",
        "request_queue": "disk?",
        "task_struct": "flags",
    },
    "lifecycle.bpf.c": {
        "cred": "egid euid",
        "file": "f_inode",
        "linux_binprm": "fdpath? file filename interp",
        "mm_struct": "arg_end arg_start hiwater_rss rss_stat",
        "percpu_counter": "count counters",
        "pid": "level numbers",
        "signal_struct": "flags group_exit_code live",
        "task_struct": "comm cred exit_code group_leader mm pid real_parent signal tgid thread_pid",
        "upid": "nr",
    },
    "files.bpf.c": {
        "file": "f_inode",
    },
    "sockets.bpf.c": {
        "file": "f_inode private_data",
        "inode": "i_mode",
        "sock": "sk_protocol sk_type",
        "sock_common": "skc_daddr skc_dport skc_family skc_num skc_rcv_saddr skc_v6_daddr? skc_v6_rcv_saddr?",
        "socket": "sk",
        "unix_address": "len? name?",
        "unix_sock": "addr? path? peer?",
    },
    "peers.bpf.c": {
        "sock": "sk_protocol sk_shutdown sk_type",
        "sock_common": "skc_daddr skc_dport skc_family skc_rcv_saddr skc_state",
        "unix_sock": "peer?",
    },
    "connections.bpf.h": {
        "file": "f_inode private_data",
        "inode": "i_mode",
        "mptcp_sock": "first?",
        "sock": "sk_protocol",
        "sock_common": "skc_family",
        "socket": "sk",
    },
    "connections.bpf.c": {
        "inet_sock": "inet_sport?",
        "net": "ns.inum?",
        "sk_buff": "cb?",
        "sock": "sk_err? sk_protocol sk_socket",
        "sock_common": "skc_daddr skc_dport skc_family skc_flags? skc_net.net? skc_num skc_rcv_saddr skc_state",
        "task_struct": "tgid",
        "tcp_skb_cb": "tcp_gso_segs?",
        "tcp_sock": "bytes_received? bytes_retrans? bytes_sent? data_segs_out? rtt_min? srtt_us? total_retrans?",
    },
    "object_io.bpf.c": {
        "file": "f_mode",
        "sock": "sk_type",
        "sock_common": "skc_daddr skc_dport skc_family skc_num skc_state",
    },
    "object_names.bpf.c": {
        "inode": "i_ino",
        "pid": "numbers",
        "sock": "sk_peer_pid sk_socket",
        "sock_common": "skc_daddr skc_dport skc_family skc_num skc_rcv_saddr",
        "socket_alloc": "vfs_inode?",
        "unix_sock": "peer?",
        "upid": "nr",
    },
    "polled.bpf.c": {
        "epitem": "event.events? ffd.fd? ffd.file? rbn?",
        "eventpoll": "rbr.rb_root.rb_node?",
        "file": "private_data",
        "rb_node": "__rb_parent_color? rb_left? rb_right?",
    },
    "tasks.bpf.c": {
        "cgroup": "kn",
        "cred": "egid.val euid.val gid.val uid.val",
        "fdtable": "max_fds open_fds",
        "files_struct": "fdt",
        "kernfs_node": "id",
        "signal_struct": "nr_threads sum_sched_runtime",
        "task_struct": "comm cred exit_state files flags group_leader pid se.sum_exec_runtime signal start_boottime "
        "tgid",
    },
}

MEMBERS |= {program.file: dict(program.members) for _kind, program in PROGRAMS if program.members}

OF_CONNECTIONS = tuple(
    (struct, member.removesuffix("?"))
    for struct, members in MEMBERS["connections.bpf.c"].items()
    for member in members.split()
)
"""What the programs of TCP connections need: a kernel without one of them does not record connections."""

CAST = (
    "bio", "blkcg_gq", "cgroup", "file", "gendisk", "inode", "kiocb", "request", "request_queue", "sock_common",
    "socket", "super_block",
)  # fmt: skip
"""Structs that a pointer may be taken to point to: TYPE_… is their type id."""

BITS = (("task_struct", "in_iowait"),)
"""Bit-fields of one bit that are read, which a kernel may lack: OFFSET_… is that of the byte, BIT_… the bit in it."""

MODULES = {"btrfs_": "btrfs", "ovl_": "overlay"}
"""Name prefixes of structs of file systems that may be modules, and the modules. A kernel need not have them: if it has
every member that is read of one, KNOWS_<module> is defined.
"""


def declared() -> dict[tuple[str, str], bool]:
    """Every struct and member that is read, in order, and whether a kernel may lack it."""
    found = {}
    for structs in MEMBERS.values():
        for struct, members in structs.items():
            for member in members.split():
                found[struct, member.removesuffix("?")] = member.endswith("?")
    return dict(sorted(found.items()))


def in_c(struct: str, member: str) -> str:
    """The name of the member's macros, after OFFSET_ and the like."""
    return f"{struct}__{member.replace('.', '__')}"
