"""DNS queries: which names each process asked for, where, and how long the answers took."""

from __future__ import annotations

from dataclasses import replace

from sysmon.bpf.columns import PID, START, TS, key
from sysmon.bpf.kind import Col, Kind, Map
from sysmon.bpf.kinds.sockets import SOCKET
from sysmon.bpf.nulls import NO_LENGTH

PORT = 53

NAME_BYTES = 256
"""The longest name, 255 bytes with its root, as it is sent (RFC 1035, section 2.3.4); here without its root."""

ANSWERS = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE", "rcode 11", "rcode 12", "rcode 13", "rcode 14", "rcode 15",
)  # fmt: skip
"""`answer` by its number: the response code in the header (IANA, DNS RCODEs)."""

_OF_SOCKETS = {c.name: c for c in SOCKET.cols}

DOMAIN = Col(
    "domain",
    "bytes",
    "The name that was asked for, in lower case, without its last dot; '.' for the root. A dot or backslash in a label "
    "is written as \\. or \\\\, and bytes that are no printable ASCII as \\DDD, in decimal. NULL if the query cannot "
    "be read.",
    sizes=(NAME_BYTES,),
    null=NO_LENGTH,
    rule="domain",
)

DNS = Kind(
    "dns",
    "dns",
    "DNS queries that one process sent over UDP to port 53, in clear, and their answers, since the previous snapshot, "
    "by name, type and server. A query counts in a row without `answer` when it was sent, and its answer, when the "
    "process has read it, in one with it. A query that is repeated counts again. Without those over TCP, TLS and "
    "HTTPS, of 32-bit programs and io_uring, and of processes that ask a resolver on this machine in another way, such "
    "as over a unix socket; and without answers on a socket that is not connected if the process did not ask for their "
    "sender.",
    cols=(
        TS,
        key(PID),
        key(START),
        key(DOMAIN),
        key(Col("record_type", "u16", "Type of the records asked for, such as 1 for A and 28 for AAAA.", null=0)),
        key(_OF_SOCKETS["family"]),
        key(replace(_OF_SOCKETS["remote_address"], sizes=(16,))),
        _OF_SOCKETS["remote_address_bytes"],
        Col(
            "answer",
            "choice",
            "Response code of the answers, such as NOERROR or NXDOMAIN; NULL in a row of queries.",
            role="key",
            names=ANSWERS,
        ),
        Col("queries", "u64", "Queries sent.", role="sum"),
        Col("answers", "u64", "Answers that the process has read.", role="sum"),
        Col("truncated_answers", "u64", "Answers that say that they are truncated.", role="sum"),
        Col("answer_ns", "u64", "Sum of the times from sending a query until its answer was read.", "ns", role="sum"),
        Col("max_answer_ns", "u64", "The longest of these.", "ns", role="max"),
    ),
    source=Map(4096, forgets=("domain", "record_type", "remote_address")),
)

KINDS = (DNS,)
