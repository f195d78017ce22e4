"""Makes traces from existing ones."""
