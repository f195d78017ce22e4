#!/bin/sh
# Hangs until it is killed.
exec sleep 60
