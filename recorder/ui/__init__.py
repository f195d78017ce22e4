"""What the user sees of a recording, and of a machine that cannot record."""
