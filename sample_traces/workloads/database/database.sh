#!/bin/sh
# 3,000 rows in one commit, then 3,000 in one each; a backup starts while they are written.
./import.py
./orders.py &
sleep 2
./backup.py
wait
