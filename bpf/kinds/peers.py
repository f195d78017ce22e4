"""Datagrams: how many each process sent to and received from each peer."""

from __future__ import annotations

from sysmon.bpf.columns import PID, START, TS, key
from sysmon.bpf.kind import Col, Kind, Map
from sysmon.bpf.kinds.sockets import SOCKET

_OF_SOCKETS = {c.name: c for c in SOCKET.cols}
_PEER = ("family", "socket_type", "protocol", "remote_address", "remote_port")

PEER = Kind(
    "peer",
    "peers",
    "Datagrams that one process sent to and received from one peer since the previous snapshot, on sockets of type"
    " SOCK_DGRAM and, over IP, SOCK_RAW. The peer is the address that the call passed or returned, or otherwise "
    "the one the socket is connected to; the address is NULL if there is neither, or if a unix socket has no name."
    " A datagram is one message of a call; with UDP_SEGMENT it is sent as several. In a call with more than 264 "
    "messages, the rest count for the peer of the connected socket, or for none. Messages read with MSG_PEEK or "
    "MSG_ERRQUEUE do not count.",
    cols=(
        TS,
        key(PID),
        key(START),
        *(key(_OF_SOCKETS[name]) for name in _PEER),
        _OF_SOCKETS["remote_address_bytes"],
        Col("datagrams_sent", "u64", "Datagrams sent to the peer.", role="sum"),
        Col("datagram_bytes_sent", "u64", "Bytes in them, without headers.", "bytes", role="sum"),
        Col("datagrams_received", "u64", "Datagrams received from the peer.", role="sum"),
        Col("datagram_bytes_received", "u64", "Bytes received, without headers.", "bytes", role="sum"),
        Col(
            "datagram_errors",
            "u64",
            "Send and receive calls that failed, such as with ECONNREFUSED or EMSGSIZE; not those that would block"
            " or were interrupted (EAGAIN, EINTR).",
            role="sum",
        ),
    ),
    source=Map(16384, forgets=("remote_address", "remote_port")),
)

KINDS = (PEER,)
