"""`python -m sysmon`."""

from sysmon.cli import main

main()
