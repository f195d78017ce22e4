"""Sockets: each one made, connected, accepted, bound, listened on or shut down."""

from __future__ import annotations

from sysmon.bpf.kind import Col, Kind, Ring
from sysmon.bpf.kinds.files import FLAGS
from sysmon.bpf.kinds.places import MOUNT_NAMESPACE, NO_LENGTH, bytes_col
from sysmon.bpf.kinds.syscalls import RETURNED

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
    "{} address: of IPv4 and IPv6 as text; of a unix socket its path as it was bound, an abstract name with @ for "
    "the NUL that it begins with. NULL: none, or of another family."
)
_BYTES = "The bytes of a unix {}_address whose text is not exactly them: an abstract name, or one that is not UTF-8."


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
    "A call that makes, connects, accepts, binds, listens on or shuts down a socket, when it returned: socket, "
    "connect, accept, accept4, bind, listen and shutdown; and sendto, sendmsg and sendmmsg with MSG_FASTOPEN on a "
    "stream over IP, which connect. Not those of 32-bit programs, nor those by io_uring; nor closing one.",
    cols=(
        *RETURNED,
        Col("fd", "s32", "The descriptor that was passed; NULL for socket. A new one is `result`.", null=-1),
        Col("family", "choice", "Family of the socket, as asked for if it was not made.", names=FAMILIES),
        Col("socket_type", "choice", "Type of the socket, such as SOCK_STREAM.", names=TYPES),
        Col("protocol", "u16", "Protocol of the socket: of IP, the number in the packets' headers."),
        FLAGS,
        # The walk to it may run into the addresses, which are filled after it.
        Col(
            "unix_path",
            "names",
            "Of a unix socket with a path: that path, absolute in its mount namespace, of the one connected to or, of "
            "other calls, of the socket itself. One that was removed ends in ' (deleted)'. NULL: none, or not known.",
            sizes=(512,),
            null=NO_LENGTH,
        ),
        bytes_col("unix_path"),
        MOUNT_NAMESPACE,
        *_address("local"),
        *_address("remote"),
        Col("backlog", "s32", "Length of the queue that listen asked for.", null=-(1 << 31)),
        Col("how", "choice", "What shutdown ended.", names=("reading", "writing", "both")),
    ),
    source=Ring((2 * MIB,)),
)

KINDS = (SOCKET,)
