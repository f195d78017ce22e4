"""Reduces a kernel's BTF to the types that the tests use: `python reduce.py /sys/kernel/btf/vmlinux OUT.btf`.

What stays keeps its offsets, sizes, names and order. A struct that is not in STRUCTS loses its members, and a pointer
in a struct points to void; anonymous structs and unions stay whole, as their members are their parent's. Independent of
recorder/load/btf.py, which it is there to test.
"""

import struct
import sys
from pathlib import Path

STRUCTS = """
task_struct signal_struct mm_struct cred pt_regs linux_binprm sched_entity sched_info thread_info nsproxy pid upid
css_set cgroup kernfs_node file path dentry qstr inode super_block vfsmount mount files_struct fdtable fs_struct socket
sock sock_common percpu_counter mm_rss_stat rq task_group ns_common pid_namespace user_namespace refcount_struct
seccomp tp_transition_snapshot kmem_cache inet_sock tcp_sock mptcp_sock net sk_buff tcp_skb_cb
""".split()
TYPEDEFS = ["atomic_t", "atomic64_t", "atomic_long_t", "refcount_t"]
TRACEPOINTS = """
sys_enter sys_exit sched_switch sched_wakeup sched_wakeup_new sched_waking sched_process_fork sched_process_exec
sched_process_exit sched_process_free task_rename kmalloc kfree kmem_cache_alloc kmem_cache_free mm_page_alloc
mm_page_free kmalloc_node kmem_cache_alloc_node softirq_entry softirq_exit irq_handler_entry irq_handler_exit rss_stat
sched_migrate_task page_fault_user cgroup_mkdir cgroup_rmdir
""".split()
ENUM_CONSTANTS = ["PIDTYPE_TGID", "MM_ANONPAGES", "PERF_CONTEXT_KERNEL"]

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO = range(1, 14)
VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(14, 20)
FIXED = {INT: 1, ARRAY: 3, VAR: 1, DECL_TAG: 1}
EACH = {STRUCT: 3, UNION: 3, ENUM: 2, FUNC_PROTO: 2, DATASEC: 3, ENUM64: 3}
REFERENCES = {PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, VAR, TYPE_TAG, FUNC_PROTO}


class Type:
    """One type: its header words and the words that follow. Only little-endian files are read."""

    def __init__(self, words):
        self.name, self.info, self.ref = words[:3]
        self.kind, self.n = self.info >> 24 & 31, self.info & 0xFFFF
        length = FIXED.get(self.kind, 0) + EACH.get(self.kind, 0) * self.n
        self.rest = list(words[3 : 3 + length])


def load(data):
    header, types_at, types_len, names_at, names_len = struct.unpack_from("<5I", data, 4)
    words = memoryview(data[header + types_at : header + types_at + types_len]).cast("I")
    types, at = [None], 0
    while at < len(words):
        types.append(Type(words[at:]))
        at += 3 + len(types[-1].rest)
    return types, data[header + names_at : header + names_at + names_len]


class Reducer:
    def __init__(self, data):
        self.types, self.names = load(data)
        self.new_ids, self.out, self.strings, self.string_at = {}, [], bytearray(b"\0"), {"": 0}

    def name(self, at):
        return self.names[at : self.names.index(b"\0", at)].decode()

    def string(self, at):
        text = self.name(at)
        if text not in self.string_at:
            self.string_at[text] = len(self.strings)
            self.strings += text.encode() + b"\0"
        return self.string_at[text]

    def keep(self, type_id, in_struct=False):
        """The new id of a type, which is written on first use."""
        if not type_id:
            return 0
        t = self.types[type_id]
        if t.kind == PTR and in_struct:
            return self.add(("void *",), Type([0, PTR << 24, 0]))
        if type_id in self.new_ids:
            return self.new_ids[type_id]
        new = Type([self.string(t.name), t.info, t.ref, *t.rest])
        new_id = self.add(type_id, new)
        if t.kind in (STRUCT, UNION):
            if t.name and self.name(t.name) not in STRUCTS:
                new.info, new.rest = t.info & ~0xFFFF, []
            for i in range(0, len(new.rest), 3):
                new.rest[i : i + 2] = self.string(new.rest[i]), self.keep(new.rest[i + 1], in_struct=True)
        elif t.kind in (ENUM, ENUM64):
            step = EACH[t.kind]
            if not any(self.name(t.rest[i]) in ENUM_CONSTANTS for i in range(0, len(t.rest), step)):
                new.info, new.rest = t.info & ~0xFFFF, []
            for i in range(0, len(new.rest), step):
                new.rest[i] = self.string(new.rest[i])
        elif t.kind == ARRAY:
            new.rest[:2] = self.keep(t.rest[0], in_struct), self.keep(t.rest[1])
        elif t.kind in REFERENCES:
            new.ref = self.keep(t.ref, in_struct)
            for i in range(0, len(new.rest), 2):
                new.rest[i : i + 2] = self.string(new.rest[i]), self.keep(new.rest[i + 1])
        return new_id

    def add(self, key, new):
        if key not in self.new_ids:
            self.out.append(new)
            self.new_ids[key] = len(self.out)
        return self.new_ids[key]

    def wanted(self, t):
        if t.kind in (ENUM, ENUM64):
            return any(self.name(t.rest[i]) in ENUM_CONSTANTS for i in range(0, len(t.rest), EACH[t.kind]))
        name = self.name(t.name)
        if t.kind == TYPEDEF:
            return name in TYPEDEFS or name.removeprefix("btf_trace_") in TRACEPOINTS
        return t.kind in (STRUCT, UNION) and name in STRUCTS

    def reduced(self):
        for type_id, t in enumerate(self.types[1:], 1):
            if self.wanted(t):
                self.keep(type_id)
        words = [w for t in self.out for w in (t.name, t.info, t.ref, *t.rest)]
        types = struct.pack(f"<{len(words)}I", *words)
        header = struct.pack("<HBB5I", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(self.strings))
        return header + types + self.strings


if __name__ == "__main__":
    full, reduced = sys.argv[1:]
    Path(reduced).write_bytes(Reducer(Path(full).read_bytes()).reduced())
