"""Where a recording is written: one file, a flight recorder's parts, or rotated files."""
