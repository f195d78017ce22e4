"""The recorder itself: privileges, limits, priority, memory, and the cost of recording."""
