"""Rows, findings and metadata as text."""
