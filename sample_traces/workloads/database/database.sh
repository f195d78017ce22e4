#!/bin/sh
# 1,000 rows in one commit, then 1,000 in one each; a backup starts while they are written.
./import.py
./orders.py &
sleep 0.5
./backup.py
wait
