"""The handmade trace of the golden files: a shell that runs make, a crash, an older server, and losses."""

from typing import Any

from tests.traces import Row, at, born, bucket_low, calls, failures, row, stack_rows

INIT, SHELL, SERVER, RECORDER = 1, 50, 60, 900

PROBES = [
    {"name": "on_exec", "tracepoint": "sched_process_exec", "attached": True, "reason": ""},
    {"name": "on_rename", "tracepoint": "task_rename", "attached": False, "reason": "no such tracepoint"},
]

LOSSES = [{"cause": "ring full", "place": "exec", "lost": 7}, {"cause": "map full", "place": "cpu", "lost": 2}]


def rows() -> list[Row]:
    return [
        *_alive(),
        *_lives(),
        *_syscalls(),
        *_events(),
        *_files(),
        *_sockets(),
        *_cpu(),
        *_stacks(),
        *_objects(),
        *_ledger(),
        *_remarks(),
    ]


def _alive() -> list[Row]:
    def state(edge: str, pid: int, start_s: float, ppid: int, comm: str, argv: list[str] | None) -> Row:
        return row(
            "process", at(0 if edge == "start" else 10), pid=pid, start=born(start_s), ppid=ppid, uid=0, comm=comm,
            edge=edge, argv=argv, path=argv and f"/usr/bin/{argv[0]}", kernel_thread=argv is None,
            threads=1, cpu_ns=10**9,
        )  # fmt: skip

    return [
        state(edge, *who)
        for edge in ("start", "end")
        for who in (
            (INIT, -999, 0, "init", ["init"]),
            (2, -999, 0, "kthreadd", None),
            (SHELL, -500, INIT, "bash", ["bash"]),
            (SERVER, -400, INIT, "server", ["server", "--port", "80"]),
            (RECORDER, -1, SHELL, "sysmon", ["sysmon", "record"]),
        )
    ]


def _lives() -> list[Row]:
    out = []
    for pid, start_s, end_s, parent, comm, argv, ended in (
        (101, 1.0, 6.5, (SHELL, -500), "make", ["make", "-j2"], {"exit_code": 2}),
        (102, 1.2, 2.0, (101, 1.0), "cc", ["cc", "-c", "a.c"], {"exit_code": 0}),
        (103, 1.3, 6.0, (101, 1.0), "cc", ["cc", "-c", "b.c"], {"signal": 11, "core_dumped": True}),
        (102, 7.0, 7.0009, (SHELL, -500), "\x1b[31m", ["=evil|", "two\nlines"], {"exit_code": 0}),
    ):
        me = {"pid": pid, "start": born(start_s), "ppid": parent[0], "uid": 1000}
        out += [
            row("fork", at(start_s), **me, parent_start=born(parent[1]), comm="bash"),
            row("exec", at(start_s + 0.0005), **me, tid=pid, comm=comm, path=f"/usr/bin/{argv[0]}", argv=argv,
                argv_truncated=pid == 101, path_truncated=False),
            row("exit", at(end_s), **me, comm=comm, lifetime_ns=round((end_s - start_s) * 10**9),
                **{"core_dumped": False, "peak_rss_bytes": pid << 15, "cgroup_id": 4242, **ended}),
        ]  # fmt: skip
    me = {"pid": SERVER, "start": born(-400)}
    return [*out, row("rename", at(4), **me, tid=61, uid=0, old_comm="server", comm="worker-1")]


def _syscalls() -> list[Row]:
    server, make = (SERVER, born(-400)), (101, born(1))
    out = []
    for second in range(1, 11):
        out += [
            calls(at(second), *server, "epoll_wait", 200, 3, nr=232, total_ns=3 * bucket_low(200) + 100,
                  max_ns=bucket_low(200) + 60),
            calls(at(second), *server, "read", 60 + second, 1000 + second, errors=second,
                  bytes=4096 * second),
        ]  # fmt: skip
    return [
        *out,
        calls(at(7), *make, "wait4", 232, 2, nr=61),
        calls(at(7), *make, "exit_group", None, 1, nr=231, max_ns=0),
        calls(at(7), *make, "write", 90, 13, nr=1, bytes=377),
        calls(at(7), *make, "copy_file_range", 120, 2, nr=326, errors=1, bytes=1 << 20),
        calls(at(7), 103, born(1.3), None, 44, 1, nr=4000),
        *(failures(at(second), *server, "read", "EAGAIN", 11, second) for second in range(1, 11)),
        failures(at(7), *make, "copy_file_range", "EXDEV", 18, 1, nr=326),
        row("syscall_inflight", at(10), pid=SERVER, start=born(-400), tid=61, comm="worker-1", nr=232, abi="x86_64",
            syscall="epoll_wait", edge="end", elapsed_ns=123_456_789),
        row("syscall_inflight", at(10), pid=SHELL, start=born(-500), tid=SHELL, comm="bash", nr=0, abi="x86_64",
            syscall="read", edge="both", elapsed_ns=10**10),
    ]  # fmt: skip


def _files() -> list[Row]:
    cc = {"pid": 102, "start": born(1.2), "tid": 102, "uid": 1000, "comm": "cc", "abi": "x86_64"}
    make = {**cc, "pid": 101, "start": born(1), "tid": 101, "comm": "make"}
    here = {"origin": "cwd", "directory": "/src", "path_truncated": False}
    there = {"origin": "absolute", "path_truncated": False}

    def opened(second: float, who: Row, result: int, error: str | None, **columns: Any) -> Row:
        given = {"nr": 257, "syscall": "openat", "flags": 0o2000000, "latency_ns": 1500, **columns}
        return row("open", at(second), **who, result=result, error=error, **given)

    def changed(second: float, who: Row, syscall: str, result: int, error: str | None, **columns: Any) -> Row:
        return row("file_op", at(second), **who, syscall=syscall, result=result, error=error, **columns)

    return [
        opened(1.3, cc, 3, None, path="./a.c", device=8 << 8 | 1, inode=77, **here),
        opened(1.31, cc, -2, "ENOENT", path="/usr/local/include/stdio.h", **there),
        opened(1.32, cc, 4, None, path="/usr/include/stdio.h", device=8 << 8 | 1, inode=5, **there),
        opened(1.4, make, -13, "EACCES", path="n\\xff\n", path_bytes=b"n\xff\n", latency_ns=2500, **here),
        opened(1.9, cc, 5, None, path="a.o", **(here | {"flags": 0o102, "mode": 0o644, "latency_ns": 30_000})),
        changed(1.95, cc, "rename", 0, None, nr=82, path="a.o", latency_ns=8000, **here, origin2="dirfd", dirfd2=3,
                directory2="/src/out", path2="a.o", path2_truncated=False),
        changed(1.96, make, "unlink", -2, "ENOENT", nr=87, path="b.o", latency_ns=700, **here),
        changed(1.97, make, "fchmod", 0, None, nr=91, dirfd=4, origin="fd", directory="/src/out/a.o", mode=0o755,
                path_truncated=False, latency_ns=600),
    ]  # fmt: skip


def _sockets() -> list[Row]:
    server = {"pid": SERVER, "start": born(-400), "tid": 61, "uid": 0, "comm": "worker-1", "abi": "x86_64"}
    make = {"pid": 101, "start": born(1), "tid": 101, "uid": 1000, "comm": "make", "abi": "x86_64"}
    tcp = {"family": "AF_INET", "socket_type": "SOCK_STREAM", "protocol": 6}
    unix = {"family": "AF_UNIX", "socket_type": "SOCK_STREAM", "protocol": 0}
    peer = {"local_address": "10.0.0.1", "local_port": 80, "remote_address": "10.0.0.2", "remote_port": 40001}
    dns = {"pid": 101, "start": born(1), "family": "AF_INET", "socket_type": "SOCK_DGRAM", "protocol": 17}
    return [
        row("socket", at(2.5), **make, **tcp, nr=41, syscall="socket", result=3, latency_ns=4000, flags=0o2000000),
        row("socket", at(2.6), **make, **tcp, nr=42, syscall="connect", fd=3, result=-111, error="ECONNREFUSED",
            remote_address="127.0.0.1", remote_port=3632, latency_ns=45_000),
        row("socket", at(2.7), **make, **unix, nr=42, syscall="connect", fd=4, result=0, latency_ns=9000,
            remote_address="@jobs", remote_address_bytes=b"\0jobs"),
        row("peer", at(3), **dns, remote_address="10.0.0.53", remote_port=53, datagrams_sent=3, datagram_bytes_sent=120,
            datagrams_received=2, datagram_bytes_received=900, datagram_errors=1),
        row("peer", at(4), **dns, remote_address="10.0.0.53", remote_port=53, datagrams_sent=1, datagram_bytes_sent=40,
            datagrams_received=1, datagram_bytes_received=80, datagram_errors=0),
        row("peer", at(4), **{**dns, "pid": SERVER, "start": born(-400), "family": "AF_UNIX", "protocol": 0},
            remote_address="@log", remote_address_bytes=b"\0log", datagrams_sent=7, datagram_bytes_sent=700,
            datagrams_received=0, datagram_bytes_received=0, datagram_errors=0),
        row("socket", at(3.5), **server, **tcp, nr=288, syscall="accept4", fd=5, result=7, latency_ns=10**9, **peer),
        *_connections(peer),
    ]  # fmt: skip


def _connections(peer: dict[str, Any]) -> list[Row]:
    server, make = {"pid": SERVER, "start": born(-400)}, {"pid": 101, "start": born(1)}
    moved = {"sent_bytes": 90_000, "received_bytes": 400, "resent_bytes": 10_000, "sent_segments": 70, "retransmits": 7}
    none = dict.fromkeys(moved, 0)
    asked = {**make, "domain": "example.com", "record_type": 28, "family": "AF_INET", "remote_address": "10.0.0.53"}
    answered = {"answer": "NXDOMAIN", "queries": 0, "answers": 1, "truncated_answers": 0, "answer_ns": 7 * 10**6}
    return [
        row("connection", at(2.6), **make, connection_id=1, direction="out", family="AF_INET",
            local_address="127.0.0.1", local_port=40_100, remote_address="127.0.0.1", remote_port=3632,
            opened=at(2.5999), tcp_state="SYN_SENT", tcp_state_ns=100_000, ended="refused", errno=111,
            error="ECONNREFUSED", network_namespace=4026531840,
            **none),
        row("connection", at(10), **server, connection_id=2, direction="in", family="AF_INET", **peer, opened=at(3.4),
            tcp_state="CLOSE_WAIT", tcp_state_ns=5 * 10**9, closed_by="remote", holder_pid=SERVER,
            holder_start=born(-400), network_namespace=4026531840, rtt_us=850, min_rtt_us=200, **moved),
        row("retransmit", at(5), **server, direction="in", family="AF_INET", remote_address="10.0.0.2", local_port=80,
            segment="data", segments=7),
        row("dns", at(3), **asked, queries=2, answers=0, truncated_answers=0, answer_ns=0, max_answer_ns=0),
        row("dns", at(4), **asked, **answered, max_answer_ns=7 * 10**6),
    ]  # fmt: skip


def _events() -> list[Row]:
    def event(ts: int, pid: int, start: int, nr: int, syscall: str | None, *args: int, **columns: object) -> Row:
        known = dict(zip((f"arg{i}" for i in range(1, 7)), (*args, 0, 0, 0, 0, 0, 0), strict=False))
        given = {"result": 0, "latency_ns": 1500, "abi": "x86_64"} | columns
        return row("syscall", ts, pid=pid, start=start, tid=pid, nr=nr, syscall=syscall, **known, **given)

    make, server = (101, born(1)), (SERVER, born(-400))
    return [
        event(at(1.1), *make, 257, "openat", 2**32 - 100, 0x7F00, 0o2000000, string1="Makefile", result=3),
        event(at(1.2), *make, 257, "openat", 2**32 - 100, 0x7F00, 0o101, 0o644, string1="out\x1b[2J\n", result=-13,
              error="EACCES", latency_ns=2_500_000),
        event(at(3), *server, 42, "connect", 5, 0x7F00, 16, sockaddr=bytes([2, 0, 0, 80, 127, 0, 0, 1, *[0] * 8]),
              result=-115, error="EINPROGRESS", latency_ns=90_000),
        event(at(3.5), *server, 232, "epoll_wait", 4, 0x7F00, 16, 2**32 - 1, result=1, latency_ns=1_250_000_000),
        event(at(4), *server, 102, "getuid", abi="i386", result=0),
        event(at(5), *server, 4000, None, 1, 2, 3, result=-38, error="ENOSYS"),
        event(at(6.4), *make, 231, "exit_group", 2, result=None, latency_ns=None),
    ]  # fmt: skip


def _cpu() -> list[Row]:
    return [
        row("cpu", at(second), pid=pid, start=start, oncpu_ns=oncpu_ns, wait_ns=oncpu_ns // 4, voluntary_switches=2,
            involuntary_switches=1, migrations=second % 2, minor_faults=10 * second, major_faults=second // 8)
        for second, pid, start, oncpu_ns in (
            (1, SERVER, born(-400), 400_000_000),
            (2, SERVER, born(-400), 350_000_000),
            (2, 102, born(1.2), 700_000_000),
            (2, 101, born(1.0), 1_000_000),
            (7, 101, born(1.0), 2_000_000),
            (8, 102, born(7.0), 600_000),
            (9, RECORDER, born(-1), 12_000_000),
        )
    ] + [
        row("cpu", at(second), pid=SERVER, start=born(-400), tid=tid, thread=thread, waited_for=waited_for, nr=nr,
            abi=nr and "x86_64", syscall=syscall, waits=waits, waited_ns=waited_ms * 10**6, oncpu_ns=0, occupied_ns=0,
            max_waited_ns=max_ms * 10**6, waited_before_ns=before_ms * 10**6, ready_ns=5_000_000, ready_before_ns=0)
        for second, tid, thread, waited_for, nr, syscall, waits, waited_ms, max_ms, before_ms in (
            (1, 61, "worker-1", "lock", 202, "futex", 3, 300, 200, 0),
            (2, 61, "worker-1", "disk", 74, "fsync", 2, 250, 150, 100),
            (2, 62, "flusher", "disk", 74, "fsync", 1, 1900, 1900, 1000),
            (9, 61, "worker-1", None, None, None, 1, 10, 10, 0),
        )
    ] + [
        row("thread", at(10), pid=SERVER, start=born(-400), tid=62, thread="flusher", waited_for="sleep", nr=35,
            abi="x86_64", syscall="nanosleep", off_cpu_ns=8 * 10**9),
    ] + [
        row("host", at(second), cpu=cpu, idle_ns=idle_ms * 10**6, busy_ns=(1000 - idle_ms) * 10**6)
        for second, cpu, idle_ms in ((1, 0, 600), (1, 1, 1000), (2, 0, 300), (2, 1, 649))
    ] + [
        row("machine", at(1), mem_total_bytes=4 << 30, mem_free_bytes=1 << 30, mem_available_bytes=3 << 30,
            cpu_some_ns=5_000_000)
    ] + [
        row("memory", at(second), pid=SERVER, start=born(-400), rss_anon_bytes=mib << 20, rss_file_bytes=1 << 20,
            rss_shmem_bytes=0, swap_bytes=0, peak_rss_bytes=40 << 20)
        for second, mib in ((1, 10), (2, 30))
    ] + [
        row("pss", at(1.5), pid=SERVER, start=born(-400), pss_bytes=21 << 20, pss_anon_bytes=20 << 20,
            pss_file_bytes=1 << 19, pss_shmem_bytes=0, private_dirty_bytes=15 << 20, private_clean_bytes=1 << 18,
            shared_dirty_bytes=10 << 20, shared_clean_bytes=3 << 18, anonymous_bytes=25 << 20, swap_pss_bytes=0,
            reading_ns=250_000),
        row("pss", at(9), pid=101, start=born(1.0), unread="ended")
    ] + [
        row("cgroup", at(0), cgroup_id=4242, cgroup_path="/kubepods/pod1/cri-containerd-" + "ab" * 32 + ".scope")
    ]  # fmt: skip


def _objects() -> list[Row]:
    """The worker writes to a journal that is renamed, reads a FIFO that `make` writes, and answers a client."""
    server, make = {"pid": SERVER, "start": born(-400)}, {"pid": 101, "start": born(1)}
    journal = {"object_type": "file", "object": 77, "object_device": 8 << 8 | 1, "generation": 3}
    fifo = {"object_type": "pipe", "object": 900}
    tcp = {"object_type": "socket", "object": 901, "family": "AF_INET", "socket_type": "SOCK_STREAM", "local_port": 80,
           "remote_address": "10.0.0.2", "remote_port": 40001}  # fmt: skip
    unix = {"object_type": "socket", "object": 902, "family": "AF_UNIX", "socket_type": "SOCK_STREAM"}

    def did(second: int, who: Row, way: str, syscall: str, calls: int, ms: int, moved: int | None, **what: Any) -> Row:
        times = {"total_ns": ms * 10**6, "blocked_ns": ms * 500_000, "max_ns": ms * 250_000}
        return row("objects", at(second), **who, way=way, syscall=syscall, calls=calls, bytes=moved, **times, **what)

    return [
        did(1, server, "write", "write", 10, 300, 40_960, errors=0, **journal),
        did(1, server, "sync", "fsync", 2, 250, None, errors=1, **journal),
        did(2, server, "write", "pwrite64", 3, 100, 4096, errors=0, **journal),
        did(2, server, "read", "read", 4, 800, 120, errors=0, **fifo),
        did(2, make, "write", "write", 6, 4, 120, errors=2, **fifo),
        did(2, server, "read", "recvfrom", 5, 1200, 500, errors=1, **tcp),
        did(2, server, "write", "sendto", 5, 8, 90_000, errors=0, **tcp),
        did(3, make, "write", "sendmsg", 1, 2, 64, errors=0, **unix),
        did(3, make, "read", "read", 1, 0, 0, errors=1),
        did(3, {"pid": 0, "start": 0}, "read", "read", 7, 70, 7_000, errors=0, object_type="file"),
        row("polled", at(1), **server, tid=61, syscall="epoll_wait", epoll_fd=4, polled_fd=7, polled_events=1 << 31 | 5,
            object_type="socket", object=902),
        row("polled", at(2), **server, tid=61, syscall="poll", polled_fd=9, polled_events=0x2041, set_size=2, **fifo),
        row("polled", at(2), **server, tid=61, syscall="poll", polled_fd=10, polled_events=1, set_size=2),
        row("object_name", at(0.5), **journal, object_path="/var/lib/db/journal.log"),
        row("object_name", at(1.5), **journal, object_path="/var/lib/db/journal.1"),
        row("object_name", at(2.5), object_type="socket", object=902, family="AF_UNIX", remote_address="/run/jobs",
            peer_inode=903, peer_pid=SERVER),
    ]  # fmt: skip


def _stacks() -> list[Row]:
    """The worker parses, and waits for a disk in it; `cc` has no frame pointers."""
    server, cc = (SERVER, born(-400)), (102, born(1.2))
    parse, write, cut, kernel = 3, 4, 5, 7
    tree: tuple[tuple[int | None, dict[str, Any]], ...] = (
        (None, {"function": "_start", "module": "/usr/bin/server"}),
        (1, {"function": "main", "module": "/usr/bin/server", "file": "server.c"}),
        (2, {"function": "parse", "module": "/usr/bin/server", "file": "parse.c"}),
        (3, {"function": "write_log", "module": "/usr/bin/server", "build_id": "c0ffee"}),
        (None, {"module": "/usr/lib/libc.so.6", "address": 0x1234, "missing": "no symbol"}),
        (None, {"function": "do_syscall_64", "module": "kernel"}),
        (6, {"function": "fsync", "module": "kernel"}),
    )
    ran = ((1, server, 61, "worker-1", parse, None, 300), (2, server, 61, "worker-1", write, kernel, 40),
           (2, cc, 102, "cc", cut, None, 69), (2, (0, 0), None, None, None, None, 2))  # fmt: skip
    waited = ((1, "disk", write, kernel, 2, 250, 150), (2, "lock", parse, 6, 3, 300, 200))
    return [
        *stack_rows(at(1), tree),
        *(
            row("samples", at(second), pid=pid, start=start, tid=tid, thread=thread, user_stack=user,
                kernel_stack=in_kernel, samples=samples)
            for second, (pid, start), tid, thread, user, in_kernel, samples in ran
        ),
        *(
            row("off_cpu", at(second), pid=SERVER, start=born(-400), tid=61, thread="worker-1", waited_for=waited_for,
                user_stack=user, kernel_stack=in_kernel, waits=waits, waited_ns=ms * 10**6,
                max_waited_ns=max_ms * 10**6)
            for second, waited_for, user, in_kernel, waits, ms, max_ms in waited
        ),
    ]  # fmt: skip


def _remarks() -> list[Row]:
    return [
        row("mark", at(2.5), pid=950, uid=1000, text="deploy 42"),
        row("note", at(3), pid=SERVER, text="slow from here", until=at(6), noted=at(86_400)),
    ]


def _ledger() -> list[Row]:
    offset = 1000 * 10**9
    out = [
        row("clock", at(s), event=event, monotonic_ns=offset + s * 10**9 - 5, boottime_ns=offset + s * 10**9,
            realtime_ns=at(s), read_ns=None if event == "start" else 1_500_000)
        for s, event in ((0, "start"), *((s, "snapshot") for s in range(1, 10)), (10, "end"))
    ]  # fmt: skip
    losses = ((1, "ring full", "exec", 3), (2, "ring full", "exec", 4), (9, "map full", "cpu", 2))
    out += [row("loss", at(s), cause=cause, place=where, lost=lost) for s, cause, where, lost in losses]
    out += [
        row("overhead", at(1), part="recorder", window_ns=10**9, run_ns=12_000_000, rss_bytes=90 << 20),
        row("overhead", at(2), part="recorder", window_ns=10**9, run_ns=8_000_000, rss_bytes=91 << 20),
        row("overhead", at(2), part="on_exec", window_ns=10**8, runs=20, run_ns=30_000),
        row("overhead", at(2), part="on_sys_exit", window_ns=10**8, runs=0, run_ns=0),
    ]
    return out
