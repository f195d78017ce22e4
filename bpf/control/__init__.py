"""The control socket of a recorder: what is said over it, who says it, and where it is.

A client asks for a mark, for what is recorded, or for the end. `messages.py` has the protocol for both sides,
`client.py` the client, `places.py` the directories that hold sockets. Nothing here imports numpy or pyarrow, so that a
mark is made fast.
"""
