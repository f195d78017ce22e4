#!/usr/bin/python3
"""Visitors of the shop: 2,000 requests in some 10 s, of which each tenth is for /checkout."""

import http.client
import threading
import time

REQUESTS = 2000
VISITORS = 10
PAUSE_S = 0.04
PATHS = ("/", "/", "/", "/", "/product", "/product", "/product", "/cart", "/cart", "/checkout")


def visit(first: int) -> None:
    for i in range(first, REQUESTS, VISITORS):
        shop = http.client.HTTPConnection("127.0.0.1", 8080)
        # Each visitor goes through all pages, and no two are at the same one.
        shop.request("GET", PATHS[(i + i // VISITORS) % len(PATHS)])
        response = shop.getresponse()
        response.read()
        shop.close()
        assert response.status == 200
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    visitors = [threading.Thread(target=visit, args=(i,)) for i in range(VISITORS)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
