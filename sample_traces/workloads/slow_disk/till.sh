#!/bin/sh
# The database and its till; it ends when the last customer has gone.
./database.py &
database=$!
sleep 0.5
./till.py
kill $database
wait
