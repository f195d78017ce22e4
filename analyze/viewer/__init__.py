"""Processes that look at a recording while it runs: one that shows it, and one that writes what that asks to save."""
