#!/usr/bin/python3
"""Takes the same number of rows as orders.py into a database of its own, in one transaction with one commit."""

import sqlite3

ORDERS = 1000

if __name__ == "__main__":
    database = sqlite3.connect("import.db", isolation_level=None)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
    database.execute("BEGIN")
    for i in range(ORDERS):
        database.execute("INSERT INTO orders (item) VALUES (?)", (f"item {i % 97}",))
    database.execute("COMMIT")
