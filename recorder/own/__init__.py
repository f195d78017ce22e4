"""The recorder about itself: privileges, limits, priority, memory, and what recording costs."""
