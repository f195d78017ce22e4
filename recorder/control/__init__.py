"""The recorder's side of the control socket: `bpf/control` has the protocol.

`access.py` and `listener.py` make the socket, `server.py` talks with clients, `marks.py` makes the rows of marks. The
recorder never waits for a client.
"""
