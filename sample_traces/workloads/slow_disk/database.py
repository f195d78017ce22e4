#!/usr/bin/python3
"""A small database: a table in memory and in a file, and a journal that is on the disk before an order is answered.

The table is on another disk than the journal, and is synced after each twentieth order.
"""

import os
import signal
import socketserver
import sys

PAGE = 16384
CHECKPOINT = 20


class Server(socketserver.TCPServer):
    allow_reuse_address = True


class Client(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        for line in self.rfile:
            request, item = line.split()
            self.wfile.write(b"%d\n" % (price(int(item)) if request == b"price" else order(int(item))))


def price(item: int) -> int:
    return 100 + 7 * item


def order(item: int) -> int:
    os.write(journal, b"order %12d of item %4d\n" % (len(orders), item))
    os.fsync(journal)
    orders.append(item)
    os.pwrite(table, b"%16d" % item * (PAGE // 16), item * PAGE)
    if len(orders) % CHECKPOINT == 0:
        os.fsync(table)
    return len(orders)


if __name__ == "__main__":
    orders: list[int] = []
    journal = os.open("volume/journal.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    table = os.open("orders.table", os.O_WRONLY | os.O_CREAT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    Server(("127.0.0.1", 7071), Client).serve_forever()
