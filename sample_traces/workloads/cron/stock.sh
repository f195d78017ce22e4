#!/bin/sh
# Looks at 20 shelves, one process for each: 400 in all rounds.
shelf=1
while [ $shelf -le 20 ]; do
    /usr/bin/expr $shelf \* 7
    shelf=$((shelf + 1))
done
