#!/bin/sh
# The shop, its payment service, and visitors; all ends when they have gone.
./payments.py &
payments=$!
./shop.py &
shop=$!
sleep 1
./load.py
kill "$shop" "$payments"
wait
exit 0
