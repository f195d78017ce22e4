"""TCP connections, compared with what their ends know, with ss and with the kernel's counters."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sysmon
from sysmon.analyze.trace.findings import findings
from sysmon.bpf.kind import ring_layouts
from sysmon.bpf.kinds.connections import CONNECTION
from sysmon.bpf.programs import csource
from sysmon.bpf.trace_file.rotated import present
from sysmon.recorder.load import bpf_maps, loader, program
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.read.counters import Control, TotalsMap
from sysmon.recorder.read.ring import Ring
from sysmon.recorder.sample import clock
from tests.live.oracles.connections import LEFT, PORT
from tests.live.recording import Trace, python, record_command, recording, wait_for

pytestmark = pytest.mark.live

Row = dict[str, Any]

WAYS = """
import json, os, socket, struct, sys
said = {}
server = socket.create_server(("127.0.0.1", 0)); port = said["port"] = server.getsockname()[1]
def pair(way):
    client = socket.create_connection(("127.0.0.1", port)); there, _ = server.accept()
    said[way] = [client.getsockname()[1], os.getpid()]
    return client, there
def receive(s, n):
    while n: n -= len(s.recv(n))
def end(s):
    try:
        while s.recv(100): pass
    except OSError: pass
    s.close()
def until_reset(s):
    import time
    until = time.monotonic() + 60
    while s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != b"\\7": assert time.monotonic() < until
client, there = pair("client_first")
client.sendall(b"x" * 10007); receive(there, 10007); there.sendall(b"y" * 5003); receive(client, 5003)
client.close(); end(there)
client, there = pair("server_first"); there.close(); end(client)
client, there = pair("at_once")
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); client.close(); end(there)
client, there = pair("unread"); there.sendall(b"abc"); client.recv(1, socket.MSG_PEEK); client.close(); end(there)
client, there = pair("after_close"); client.close(); there.recv(1); there.sendall(b"zzz"); until_reset(there)
there.close()
client, there = pair("after_shut")
client.shutdown(socket.SHUT_WR); there.recv(1); there.sendall(b"abc"); client.recv(1, socket.MSG_PEEK); client.close()
end(there)
unused = socket.socket(); unused.bind(("127.0.0.1", 0)); said["unused"] = unused.getsockname()[1]; unused.close()
refused = socket.socket(); said["refused"] = refused.connect_ex(("127.0.0.1", said["unused"]))
again = socket.create_connection(("127.0.0.1", port)); server.accept()[0].close(); again.close(); refused.close()
closed, close = os.pipe(); client, there = pair("forked"); child = os.fork()
if not child:
    client.close(); there.sendall(b"q" * 31); os.read(closed, 1); there.close(); os._exit(0)
there.close(); os.write(close, b"x"); said["forked"].append(child); os.waitpid(child, 0); end(client)
ours, theirs = socket.socketpair(); client, there = pair("passed"); child = os.fork()
if not child:
    client.close(); there.close(); _, (fd,), _, _ = socket.recv_fds(theirs, 1, 1)
    with socket.socket(fileno=fd) as s: s.sendall(b"q" * 17); os.read(closed, 1)
    os._exit(0)
socket.send_fds(ours, [b"x"], [there.fileno()]); there.close(); os.write(close, b"x"); said["passed"].append(child)
os.waitpid(child, 0); end(client)
client = socket.create_connection(("127.0.0.1", port)); child = os.fork()
said["worker"] = [client.getsockname()[1], child]
if not child:
    client.close(); there, _ = server.accept(); there.sendall(b"w" * 13); there.close(); os._exit(0)
os.waitpid(child, 0); end(client)
six = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
for way, host in ("six", "::1"), ("mapped", "127.0.0.1"):
    client = socket.create_connection((host, six.getsockname()[1])); there, _ = six.accept()
    said[way] = [client.getsockname()[1], os.getpid()]; client.sendall(b"1"); there.recv(1); client.close(); end(there)
try:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
except OSError: said["multipath"] = None
else:
    listener.bind(("127.0.0.1", 0)); listener.listen()
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); client.connect(listener.getsockname())
    there, _ = listener.accept(); said["multipath"] = [client.getsockname()[1], os.getpid()]
    client.sendall(b"m" * 101); receive(there, 101); there.sendall(b"m" * 3); receive(client, 3)
client, there = pair("open"); client.sendall(b"h" * 11); receive(there, 11)
json.dump(said, open("said", "w"))
os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> tuple[Trace, Row]:
    """A recording of connections of one process, each of which ends in one way."""
    folder = tmp_path_factory.mktemp("known")
    trace = record_command(folder / "t.parquet", sys.executable, "-I", "-S", "-c", WAYS, cwd=folder)
    assert trace.status == 128 + 9, trace.output
    trace.assert_nothing_lost()
    return trace, json.loads((folder / "said").read_text())


def ends(trace: Trace, port: int, namespaces: tuple[int, ...] = ()) -> tuple[Row, Row]:
    """Both rows of a connection, by the port of the side that connected: that side's first."""
    names = [column for column, *_ in trace.rows("DESCRIBE tcp_connections")]
    where = f"network_namespace IN {namespaces}" if namespaces else "true"
    rows = trace.rows(f"SELECT * FROM tcp_connections WHERE {port} IN (local_port, remote_port) AND {where}")
    client, server = (
        dict(zip(names, row, strict=True))
        for row in sorted(rows, key=lambda row: row[names.index("local_port")] != port)
    )
    return client, server


WAYS_TO_END = {
    "client_first": ("closed", "closed", "local", "remote"),
    "server_first": ("closed", "closed", "remote", "local"),
    "at_once": ("reset", "reset by peer", None, None),
    "unread": ("reset", "reset by peer", None, None),
    "after_close": ("closed", "reset by peer", "local", "remote"),
    "after_shut": ("reset", "reset by peer", "local", "remote"),
    "forked": ("closed", "closed", "remote", "local"),
    "passed": ("closed", "closed", "remote", "local"),
    "worker": ("closed", "closed", "remote", "local"),
    "six": ("closed", "closed", "local", "remote"),
    "mapped": ("closed", "closed", "local", "remote"),
}


@pytest.mark.quick
@pytest.mark.parametrize("way", WAYS_TO_END)
def test_how_a_connection_ends(known: tuple[Trace, Row], way: str) -> None:
    trace, said = known
    client, server = ends(trace, said[way][0])
    assert (client["ended"], server["ended"], client["closed_by"], server["closed_by"]) == WAYS_TO_END[way]
    assert (client["direction"], server["direction"]) == ("out", "in")
    assert client["handshake_ns"] > 0 and client["opened"] < client["ts"] and client["state_at_start"] is None


def test_each_byte_counts_once(known: tuple[Trace, Row]) -> None:
    trace, said = known
    moved = {
        "client_first": (10_007, 5_003),
        "unread": (0, 3),
        "forked": (0, 31),
        "passed": (0, 17),
        "worker": (0, 13),
        "six": (1, 0),
    }
    for way, (sent, received) in moved.items():
        client, server = ends(trace, said[way][0])
        assert (client["sent_bytes"], client["received_bytes"]) == (sent, received), way
        assert (server["sent_bytes"], server["received_bytes"]) == (received, sent), way
        assert client["resent_bytes"] == client["retransmits"] == 0


def test_whose_a_connection_is(known: tuple[Trace, Row]) -> None:
    """The one that connected or accepted; who closed it is another if it was handed over."""
    trace, said = known
    for way in ("forked", "passed"):
        client, server = ends(trace, said[way][0])
        port, parent, child = said[way]
        assert (client["pid"], server["pid"], server["holder_pid"]) == (parent, parent, child)
    port, child = said["worker"]
    assert ends(trace, port)[1]["pid"] == child


def test_a_refused_connection(known: tuple[Trace, Row]) -> None:
    """Its socket connects again, elsewhere: another connection."""
    trace, said = known
    rows = trace.rows(
        "SELECT ended, error, tcp_state, handshake_ns, remote_address FROM tcp_connections "
        f"WHERE remote_port = {said['unused']}"
    )
    assert rows == [("refused", "ECONNREFUSED", "SYN_SENT", None, "127.0.0.1")]


def test_addresses(known: tuple[Trace, Row]) -> None:
    trace, said = known
    for way, (one, two) in {"six": ("::1", "::1"), "mapped": ("127.0.0.1", "::ffff:127.0.0.1")}.items():
        client, server = ends(trace, said[way][0])
        assert (client["local_address"], client["remote_address"]) == (one, one)
        assert (server["local_address"], server["remote_address"]) == (two, two)


def test_multipath(known: tuple[Trace, Row]) -> None:
    """A path is a TCP connection, with the bytes of all others."""
    trace, said = known
    if not said["multipath"]:
        pytest.skip("this kernel has no MPTCP")
    client, server = ends(trace, said["multipath"][0])
    assert (client["pid"], server["pid"]) == (said["multipath"][1],) * 2
    assert (client["sent_bytes"], client["received_bytes"]) == (101, 3)


def test_what_ends_with_its_process(known: tuple[Trace, Row]) -> None:
    trace, said = known
    client, server = ends(trace, said["open"][0])
    assert {client["ended"], server["ended"]} <= {"closed", "reset", "reset by peer", "reset after close"}
    assert (client["sent_bytes"], server["received_bytes"]) == (11, 11)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> tuple[Trace, Row]:
    """A recording of two network namespaces that existed before, and what their processes know."""
    path = tmp_path_factory.mktemp("joined") / "t.parquet"
    code = Path(__file__).parent / "oracles" / "connections.py"
    with subprocess.Popen([sys.executable, code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout

        def next_phase() -> Row:
            process.stdin.write("\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            said: Row = json.loads(process.stdout.readline())  # type: ignore[union-attr]
            return said

        said = next_phase()
        with recording(path) as r:
            during = next_phase()
        process.stdin.write("\n")
    r.assert_nothing_lost()
    return r, {**said, **during, "names": said["names"] | during["names"]}


def test_connections_that_are_older_than_the_recording(joined: tuple[Trace, Row]) -> None:
    trace, said = joined
    old, theirs = ends(trace, said["names"]["old"], (said["namespace"], said["other_namespace"]))
    assert (old["pid"], theirs["pid"], old["network_namespace"]) == (said["pid"], said["child"], said["namespace"])
    assert (old["state_at_start"], old["tcp_state"], old["ended"], old["opened"]) == (
        "ESTABLISHED",
        "ESTABLISHED",
        None,
        None,
    )
    assert (old["sent_bytes"], old["received_bytes"]) == (5_003, 5_003), "not what it moved before"
    assert theirs["network_namespace"] != said["namespace"]
    leaving, _theirs = ends(trace, said["names"]["leaving"], (said["namespace"], said["other_namespace"]))
    assert (leaving["state_at_start"], leaving["ended"], leaving["pid"]) == ("ESTABLISHED", "closed", said["pid"])


def test_connections_that_nobody_closes(joined: tuple[Trace, Row]) -> None:
    trace, said = joined
    (found,) = [f for f in findings(trace.opened) if f.rule == "close_wait"]
    assert f"{LEFT} on port {PORT}" in found.summary and found.pid == said["pid"]
    states = trace.opened.report("tcp_states", pid=said["pid"]).df()
    (left,) = states[states["state"] == "CLOSE_WAIT"].to_dict("records")
    assert (left["at_start"], left["at_end"], left["direction"], left["service_port"]) == (0, LEFT, "out", PORT)


def test_what_was_sent_again(joined: tuple[Trace, Row]) -> None:
    trace, said = joined
    lost, _theirs = ends(trace, said["names"]["lost"], (said["namespace"], said["other_namespace"]))
    numbers = dict(re.findall(r"(bytes_sent|bytes_retrans|bytes_received|data_segs_out):(\d+)", said["ss"]))
    assert lost["sent_bytes"] == int(numbers["bytes_sent"]) - int(numbers["bytes_retrans"])
    assert lost["resent_bytes"] == int(numbers["bytes_retrans"]) > 0
    assert lost["received_bytes"] == int(numbers["bytes_received"])
    assert lost["sent_segments"] == int(numbers["data_segs_out"])
    assert lost["retransmits"] == said["lost"] >= 1
    assert lost["rtt_us"] > lost["min_rtt_us"] > 0
    by_kind = dict(
        trace.rows(f"SELECT segment, sum(segments) FROM retransmits WHERE pid = {said['pid']} GROUP BY segment")
    )
    assert by_kind["data"] + by_kind["SYN"] == said["resent"], "as /proc/net/snmp of that namespace has it"
    ((peer, port),) = trace.rows(
        f"SELECT DISTINCT remote_address, remote_port FROM retransmits WHERE pid = {said['pid']} AND segment = 'data'"
    )
    assert (peer, port) == ("10.99.0.2", PORT)


def test_a_connection_that_gets_no_answer(joined: tuple[Trace, Row]) -> None:
    trace, said = joined
    rows = trace.rows(
        "SELECT ended, error, retransmits FROM tcp_connections "
        f"WHERE network_namespace = {said['namespace']} AND remote_port = {said['names']['silent']} "
        f"AND local_port <> {said['names']['queued']}"
    )
    ((ended, error, retransmits),) = rows
    assert (ended, error) == ("timed out", "ETIMEDOUT") and retransmits > 0
    assert said["error"] == 110
    _client, waiting = ends(trace, said["names"]["queued"], (said["namespace"], said["other_namespace"]))
    assert (waiting["pid"], waiting["holder_pid"], waiting["tcp_state"]) == (None, None, "ESTABLISHED"), (
        "nobody accepts it"
    )


def test_both_sides_close_at_once(joined: tuple[Trace, Row]) -> None:
    """Each sends its FIN before the other's comes; one of them is lost, so only the other sees that."""
    trace, said = joined
    _client, server = ends(trace, said["names"]["both"], (said["namespace"], said["other_namespace"]))
    assert (server["closed_by"], server["tcp_state"], server["ended"]) == ("both", "CLOSING", "closed")


SENDER = """
import socket, sys, threading
sys.stdin.readline()
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname()); there, _ = server.accept()
print(client.getsockname()[1], flush=True)
stop = threading.Event(); threading.Thread(target=lambda: (sys.stdin.readline(), stop.set())).start()
sent = 0
while not stop.wait(0.01):
    sent += client.send(b"x" * 101)
    there.recv(101, socket.MSG_WAITALL)
print(sent, flush=True); sys.stdin.readline()
"""


def test_a_connection_has_a_row_in_each_file_of_a_recording(tmp_path: Path) -> None:
    """Of what it moved in the time of that file."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    path = tmp_path / "t.parquet"
    with python(SENDER, **pipes) as process:
        assert process.stdin and process.stdout
        with recording(path, "--rotate", "1s", "--only", "connection"):
            process.stdin.write("\n")
            process.stdin.flush()
            port = int(process.stdout.readline())
            wait_for(lambda: len(present(path)) > 2)
            process.stdin.write("\n")
            process.stdin.flush()
            sent = int(process.stdout.readline())
    with sysmon.open(str(tmp_path / "t-*.parquet")) as trace:
        rows = trace.sql(
            "SELECT sent_bytes, state_at_start, ended, holder_pid FROM tcp_connections "
            f"WHERE local_port = {port} AND direction = 'out' AND pid = {process.pid} ORDER BY ts"
        ).fetchall()
        (life,) = trace.sql(
            f"SELECT sent_bytes, opened IS NOT NULL FROM tcp_lives WHERE local_port = {port} AND direction = 'out'"
        ).fetchall()
    assert len(rows) >= 3 and rows[0][1] is None
    assert {row[1:] for row in rows[1:]} == {("ESTABLISHED", None, process.pid)}
    assert sum(row[0] for row in rows) == sent == life[0] and life[1]


ENTRIES, MORE = 16, 53


def test_connections_that_do_not_fit_into_the_map(monkeypatch: pytest.MonkeyPatch, live_kernel: None) -> None:
    """Each has a row when it ends, without an owner and bytes, and is counted as lost; what it sends again has none."""
    bpf_maps.raise_memlock_limit()
    monkeypatch.setattr(program, "CONNECTION_ENTRIES", ENTRIES)
    plan = program.plan(Btf.of_kernel(), SyscallNames())
    loaded = loader.Loading(plan).result()
    loaded.attach()
    control = Control(loaded)
    control.start(clock.boottime_ns(), 0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        pairs = []
        for _ in range(MORE):
            client = socket.create_connection(server.getsockname())
            pairs += [client, server.accept()[0]]
            client.send(b"x")
        ports = {s.getsockname()[1] for s in pairs[::2]}
        for s in pairs:
            s.close()
    control.stop()
    (layout,) = ring_layouts(CONNECTION)
    (size,) = plan.sizes.ring_bytes(CONNECTION)
    ring = Ring(loaded.maps["connection_ring"], size, layout)
    rows = np.concatenate(list(ring.pieces()))
    lost = dict(zip(csource.losses(), TotalsMap(loaded, plan.sizes.cpus).read().lost.tolist(), strict=True))
    ring.close()
    control.close()
    loaded.close()
    mine = rows[np.isin(rows["local_port"], list(ports)) | np.isin(rows["remote_port"], list(ports))]
    known = mine[mine["connection_id"] != 0]
    assert len(mine) == 2 * MORE
    assert len(known) < ENTRIES and set(known["pid"].tolist()) == {os.getpid()}
    others = mine[mine["connection_id"] == 0]
    assert not others["pid"].any() and (others["sent_bytes"] == np.uint64(2**64 - 1)).all()
    assert (others["family"] == socket.AF_INET).all() and others["rtt_us"].all()
    assert lost["connection_map"] >= len(others)


def test_only_what_belongs_to_a_chosen_process(tmp_path: Path) -> None:
    """Also of a server: who accepts is known only after its connections have been opened."""
    code = """
import os, socket
server = socket.create_server(("127.0.0.1", 0)); print(server.getsockname()[1], flush=True)
old, _ = server.accept(); input()
for _ in range(7): s, _ = server.accept(); s.close()
print("done", flush=True); input()
"""
    with python(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        port = int(process.stdout.readline())
        old = socket.create_connection(("127.0.0.1", port))
        with recording(tmp_path / "t.parquet", "--pid", str(process.pid)) as r:
            process.stdin.write("\n")
            process.stdin.flush()
            for _ in range(7):
                with socket.create_connection(("127.0.0.1", port)) as s:
                    s.recv(1)
            process.stdout.readline()
        process.stdin.write("\n")
    old.close()
    rows = r.rows(
        "SELECT pid, local_port, state_at_start, ended IS NULL, count(*) FROM tcp_connections GROUP BY ALL ORDER BY 5"
    )
    assert rows == [(process.pid, port, "ESTABLISHED", True, 1), (process.pid, port, None, False, 7)]
    assert r.opened.report("tcp_connections").df()["pid"].unique().tolist() == [process.pid]
