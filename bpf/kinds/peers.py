"""Datagrams: how many each process sent to and received from whom."""

from __future__ import annotations

from sysmon.bpf.columns import PID, START, TS, key
from sysmon.bpf.kind import Col, Kind, Map
from sysmon.bpf.kinds.sockets import SOCKET

_OF_SOCKETS = {c.name: c for c in SOCKET.cols}
_PEER = ("family", "socket_type", "protocol", "remote_address", "remote_port")

PEER = Kind(
    "peer",
    "peers",
    "Datagrams of one process to and from one peer since the snapshot before: those of the types SOCK_DGRAM and, over "
    "IP, SOCK_RAW, that it sent and received. The peer is the one that a call named or was told, else the one that the "
    "socket is connected to; its address is NULL if there was neither, and of a unix socket without a name. A datagram "
    "is one message of a call: with UDP_SEGMENT it leaves as several. Of a call with more than 264 messages those that "
    "are beyond count for the peer of the connected socket, or for none. Not those that MSG_PEEK looked at, nor "
    "messages of MSG_ERRQUEUE.",
    cols=(
        TS,
        key(PID),
        key(START),
        *(key(_OF_SOCKETS[name]) for name in _PEER),
        _OF_SOCKETS["remote_address_bytes"],
        Col("datagrams_sent", "u64", "Datagrams that it sent to the peer.", role="sum"),
        Col("datagram_bytes_sent", "u64", "Bytes in them, headers not counted.", "bytes", role="sum"),
        Col("datagrams_received", "u64", "Datagrams that it received from the peer.", role="sum"),
        Col("datagram_bytes_received", "u64", "Bytes of them that came in, headers not counted.", "bytes", role="sum"),
        Col(
            "datagram_errors",
            "u64",
            "Calls to send or receive that failed, such as with ECONNREFUSED or EMSGSIZE. Not those that could not be "
            "served at once or were interrupted: EAGAIN, EINTR.",
            role="sum",
        ),
    ),
    source=Map(16384, forgets=("remote_address", "remote_port")),
)

KINDS = (PEER,)
