#!/usr/bin/python3
"""A till: 100 customers, for each of whom it asks the database for five prices and makes one order."""

import socket

CUSTOMERS = 100
PRICES = 5

if __name__ == "__main__":
    with socket.create_connection(("127.0.0.1", 7071)) as connection, connection.makefile("rw") as database:

        def ask(request: str, item: int) -> int:
            print(request, item, file=database, flush=True)
            return int(database.readline())

        for customer in range(CUSTOMERS):
            for item in range(PRICES):
                assert ask("price", item) == 100 + 7 * item
            assert ask("order", customer % 16) == customer + 1
