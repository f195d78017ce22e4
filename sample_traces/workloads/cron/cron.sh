#!/bin/sh
# A machine's small jobs: 20 rounds, two a second. backup.sh always fails, sync.sh is killed in each fifth round, and
# supervise.sh starts a mailer again and again that ends with an error.
./supervise.sh &
round=1
while [ $round -le 20 ]; do
    ./stock.sh >/dev/null
    ./backup.sh 2>/dev/null
    [ $((round % 5)) = 0 ] && timeout -s KILL 0.2 ./sync.sh
    sleep 0.5
    round=$((round + 1))
done
wait
