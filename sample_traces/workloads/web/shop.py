#!/usr/bin/python3
"""A shop's web server: a thread and a connection for each request, and a page in a file for each endpoint.

/checkout is slow, because it waits for the payment service.
"""

import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGES = {"/": "home.html", "/product": "product.html", "/cart": "cart.html", "/checkout": "checkout.html"}
PAYMENTS = ("127.0.0.1", 9090)


class Server(ThreadingHTTPServer):
    request_queue_size = 128


class Shop(BaseHTTPRequestHandler):
    wbufsize = 65536  # head and page leave in one write

    def do_GET(self) -> None:
        page = Path("pages", PAGES[self.path]).read_bytes()
        if self.path == "/checkout":
            pay()
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


def pay() -> None:
    with socket.create_connection(PAYMENTS) as payments:
        payments.sendall(b"pay 9.99\n")
        payments.recv(100)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    Server(("127.0.0.1", 8080), Shop).serve_forever()
