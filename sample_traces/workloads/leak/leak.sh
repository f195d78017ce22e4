#!/bin/sh
# A server that leaks beside one that is only large and a job that only computes.
./catalog.py &
./sessions.py &
sleep 1
./thumbnails.py
wait
