#!/usr/bin/python3
"""The payment service: it answers after 80 ms, as its bank takes that long."""

import signal
import socketserver
import sys
import time


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128


class Payment(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.rfile.readline()
        time.sleep(0.080)
        self.wfile.write(b"paid\n")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    Server(("127.0.0.1", 9090), Payment).serve_forever()
