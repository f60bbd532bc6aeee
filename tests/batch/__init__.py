"""Many submissions: sources and the gradebook."""
