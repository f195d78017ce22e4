#!/usr/bin/python3 -S
"""Ends with status 78 as its configuration is missing."""

import sys

try:
    open("mailer.conf").close()
except FileNotFoundError:
    sys.exit(78)
