"""Rows, findings and what a trace says of itself as text."""
