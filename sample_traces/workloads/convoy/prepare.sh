#!/bin/sh
# Compiles the server without optimization, so that each function has a frame and stacks are whole.
gcc -O0 -pthread -o server server.c
