"""The file format: schema, metadata, writing, and recovery of interrupted recordings."""
