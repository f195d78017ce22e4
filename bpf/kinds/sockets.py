"""Sockets: each one created, connected, accepted, bound, listened on or shut down."""

from __future__ import annotations

from sysmon.bpf.kind import Col, Kind, Ring
from sysmon.bpf.kinds.files import FLAGS
from sysmon.bpf.kinds.path_columns import MOUNT_NAMESPACE, bytes_col
from sysmon.bpf.kinds.syscalls import RETURNED
from sysmon.bpf.nulls import NO_BACKLOG, NO_FD, NO_LENGTH

MIB = 1024 * 1024

ADDRESS_BYTES = 108
"""The longest address: sun_path of a unix socket."""

FAMILIES = tuple(
    f"AF_{name}"
    for name in """
UNSPEC UNIX INET AX25 IPX APPLETALK NETROM BRIDGE ATMPVC X25 INET6 ROSE DECNET NETBEUI SECURITY KEY NETLINK PACKET ASH
ECONET ATMSVC RDS SNA IRDA PPPOX WANPIPE LLC IB MPLS CAN TIPC BLUETOOTH IUCV RXRPC ISDN PHONET IEEE802154 CAIF ALG NFC
VSOCK KCM QIPCRTR SMC XDP MCTP
""".split()
)
"""`family` by its number (include/linux/socket.h), the same on every architecture."""

TYPES = (
    "unknown", "SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET", "SOCK_DCCP", "7", "8", "9",
    "SOCK_PACKET",
)  # fmt: skip
"""`socket_type` by its number (include/linux/net.h), the same on every architecture but MIPS."""

_ADDRESS = (
    "{} address: IPv4 and IPv6 as text; for a unix socket the path as bound, or an abstract name with @ for its "
    "leading NUL. NULL if none, or of another family."
)
_BYTES = (
    "The bytes of a unix {}_address that the text does not show exactly: an abstract name, or one that is not UTF-8."
)


def _address(end: str) -> tuple[Col, ...]:
    name = f"{end}_address"
    return (
        Col(name, "address", _ADDRESS.format(end.capitalize()), sizes=(ADDRESS_BYTES,), null=NO_LENGTH),
        Col(f"{name}_bytes", "binary", _BYTES.format(end), derived=True),
        Col(f"{end}_port", "u16", f"{end.capitalize()} port of IPv4 and IPv6; NULL: none.", null=0),
    )


SOCKET = Kind(
    "socket",
    "sockets",
    "A call that creates, connects, accepts, binds, listens on or shuts down a socket, when it returned: socket, "
    "connect, accept, accept4, bind, listen or shutdown; or sendto, sendmsg and sendmmsg with MSG_FASTOPEN on a "
    "stream over IP, which connect. Without calls of 32-bit programs, io_uring operations and closes.",
    cols=(
        *RETURNED,
        Col("fd", "s32", "The descriptor passed; NULL for socket. A new descriptor is in `result`.", null=NO_FD),
        Col("family", "choice", "Family of the socket, or the requested one if it was not created.", names=FAMILIES),
        Col("socket_type", "choice", "Type of the socket, such as SOCK_STREAM.", names=TYPES),
        Col("protocol", "u16", "Protocol of the socket; for IP, the number in the packet header."),
        FLAGS,
        # The path walk may overrun into the addresses, which are filled later.
        Col(
            "unix_path",
            "names",
            "For unix sockets with a path: the absolute path, in its mount namespace, of the socket connected to "
            "or, for other calls, of the socket itself. Ends in ' (deleted)' if removed. NULL if none, or unknown.",
            sizes=(512,),
            null=NO_LENGTH,
        ),
        bytes_col("unix_path"),
        MOUNT_NAMESPACE,
        *_address("local"),
        *_address("remote"),
        Col("backlog", "s32", "Queue length passed to listen.", null=NO_BACKLOG),
        Col("how", "choice", "What shutdown shut down.", names=("reading", "writing", "both")),
    ),
    source=Ring((2 * MIB,)),
)

KINDS = (SOCKET,)
