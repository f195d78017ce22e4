#!/usr/bin/python3
"""Takes orders into a SQLite database: 1,000 rows, and a commit that must be on the disk for each of them."""

import sqlite3

ORDERS = 1000

if __name__ == "__main__":
    database = sqlite3.connect("orders.db", isolation_level=None)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
    for i in range(ORDERS):
        database.execute("INSERT INTO orders (item) VALUES (?)", (f"item {i % 97}",))
