#!/bin/sh
# The booking server and its visitors; it ends when they have gone.
./server &
sleep 0.5
./visitors.py
wait
