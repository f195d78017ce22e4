"""What sysmon says beside what somebody else says of the same thing: for the live tests, and for docs/accuracy.md."""
