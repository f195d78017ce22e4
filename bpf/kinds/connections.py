"""TCP connections: the life of each one, and what was sent again or reset."""

from __future__ import annotations

from dataclasses import replace

from sysmon.bpf.columns import ERROR, PID, START, TS, key
from sysmon.bpf.kind import Col, Kind, Map, Ring
from sysmon.bpf.kinds.sockets import SOCKET
from sysmon.bpf.kinds.syscalls import ERRNO
from sysmon.bpf.nulls import UNKNOWN_BYTES, UNKNOWN_NS

MIB = 1024 * 1024

IP_BYTES = 16

STATES = (
    "unknown", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
    "LAST_ACK", "LISTEN", "CLOSING",
)  # fmt: skip
"""States of TCP by their numbers (include/net/tcp_states.h)."""

DIRECTIONS = ("out", "in")

CLOSERS = ("local", "remote", "both")

ENDS = ("closed", "reset", "reset by peer", "reset after close", "refused", "timed out", "given up", "failed")

SEGMENTS = ("data", "SYN", "SYN-ACK")

_OF_SOCKETS = {c.name: c for c in SOCKET.cols}


def _end(name: str) -> tuple[Col, ...]:
    return (
        replace(_OF_SOCKETS[f"{name}_address"], sizes=(IP_BYTES,)),
        _OF_SOCKETS[f"{name}_address_bytes"],
        _OF_SOCKETS[f"{name}_port"],
    )


def _since(name: str, doc: str, unit: str = "bytes") -> Col:
    """A count that begins with the connection or, if that is older, with this file of the recording."""
    return Col(
        name, "u64", f"{doc}; NULL if unknown, as the connection did not fit into the map.", unit, null=UNKNOWN_BYTES
    )


DIRECTION = Col(
    "direction", "choice", "'out': it was opened from here; 'in': to here. NULL if unknown.", names=DIRECTIONS
)

CONNECTION = Kind(
    "connection",
    "tcp_connections",
    "A TCP connection, in any network namespace: when it ended or, if it goes on, at the end of the recording. With "
    "`--rotate` each file has a row of those that go on, with what came in that file. `pid` and `start` are of the "
    "process that connected or accepted; if that is unknown, of the first one that has a descriptor of it when the "
    "recording begins or ends, or that closes it. They are NULL if there is none, such as before it is accepted.",
    cols=(
        TS,
        replace(PID, null=0),
        replace(START, null=0),
        Col(
            "connection_id",
            "u64",
            "Number of the connection in this recording; NULL if it did not fit into the map.",
            null=0,
        ),
        DIRECTION,
        _OF_SOCKETS["family"],
        *_end("local"),
        *_end("remote"),
        Col("network_namespace", "u32", "Its network namespace, the inode of /proc/PID/ns/net.", null=0),
        Col(
            "opened",
            "time",
            "When its first SYN was sent or, if it was opened from elsewhere, when its handshake was complete; NULL if "
            "that was before the recording, or is unknown.",
            "UTC",
            null=0,
        ),
        Col(
            "handshake_ns",
            "u64",
            "From its first SYN until it was established; NULL if it was not, or unknown, or opened from elsewhere.",
            "ns",
            null=UNKNOWN_NS,
        ),
        Col(
            "state_at_start",
            "choice",
            "Its state when the recording, or this file of it, began; NULL: it was opened later.",
            names=STATES,
        ),
        Col(
            "tcp_state",
            "choice",
            "Its state at the end of the recording, or the last one before it ended.",
            names=STATES,
        ),
        Col(
            "tcp_state_ns",
            "u64",
            "How long it had been in `tcp_state`, or at least since the recording began; NULL if unknown.",
            "ns",
            null=UNKNOWN_NS,
        ),
        Col(
            "ended",
            "choice",
            "How it ended: 'closed', as both sides or at least this one agreed; 'reset', by a process here; 'reset by "
            "peer'; 'reset after close', by either side, when data came after it was closed here; 'refused', "
            "'timed out', 'given up' before there was an answer, 'failed' otherwise. NULL: it goes on.",
            names=ENDS,
        ),
        replace(ERRNO, role="", null=0),
        ERROR,
        Col(
            "closed_by",
            "choice",
            "Who closed first: 'local', 'remote', or 'both' at once; NULL: nobody, or unknown.",
            names=CLOSERS,
        ),
        Col(
            "holder_pid",
            "u32",
            "Process id of the one that closed it here or, if it goes on, has a descriptor of it: its owner or, if it "
            "has none, the first that does. NULL if there is none, or it is unknown.",
            null=0,
        ),
        Col("holder_start", "start", "`start` of that process; NULL if none.", "ns", null=0),
        _since("sent_bytes", "Bytes that it sent, each counted once"),
        _since("received_bytes", "Bytes that it received, in order"),
        _since("resent_bytes", "Bytes that it sent again"),
        _since("sent_segments", "Segments with data that it sent, with those sent again", ""),
        _since("retransmits", "Segments that it sent again, with SYNs", ""),
        Col(
            "rtt_us",
            "u32",
            "Round-trip time, smoothed, as the kernel estimates it; NULL if not measured.",
            "us",
            null=0,
        ),
        Col(
            "min_rtt_us",
            "u32",
            "The least round-trip time that it measured in the last five minutes; NULL if none.",
            "us",
            null=(1 << 32) - 1,
        ),
    ),
    source=Ring((2 * MIB,)),
)

RETRANSMIT = Kind(
    "retransmit",
    "retransmits",
    "Segments of TCP that were sent again, of one process to one peer, since the previous snapshot. `pid` and `start` "
    "are of the process that connected, accepted or, for a SYN-ACK, listens; pid 0 also stands for those that are "
    "unknown.",
    cols=(
        TS,
        key(PID),
        key(START),
        key(DIRECTION),
        key(_OF_SOCKETS["family"]),
        key(replace(_OF_SOCKETS["remote_address"], sizes=(IP_BYTES,))),
        _OF_SOCKETS["remote_address_bytes"],
        key(_OF_SOCKETS["local_port"]),
        key(_OF_SOCKETS["remote_port"]),
        Col(
            "segment",
            "choice",
            "What was sent again: 'SYN' or 'SYN-ACK' to open a connection, or 'data', which includes a FIN.",
            role="key",
            names=SEGMENTS,
        ),
        Col("segments", "u64", "How many.", role="sum"),
    ),
    source=Map(4096, forgets=("remote_address", "local_port", "remote_port")),
)

KINDS = (CONNECTION, RETRANSMIT)
