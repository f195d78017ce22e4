"""What the user sees of a recording, and on a machine that cannot record."""
