"""Takes from the kernel what the programs wrote and counted: rings, maps, losses."""
