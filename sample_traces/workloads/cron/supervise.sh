#!/bin/sh
# Starts the mailer again whenever it ends: 50 times, 0.2 s apart.
start=1
while [ $start -le 50 ]; do
    ./mailer.py
    sleep 0.2
    start=$((start + 1))
done
