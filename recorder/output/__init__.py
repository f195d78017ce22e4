"""Recordings that are more than one file at a time: the flight recorder, and rotation."""
