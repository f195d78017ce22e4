"""Reads what the programs wrote and counted: rings, maps, losses."""
