"""sysmon's figures next to those of independent oracles: for the live tests, and for docs/accuracy.md."""
