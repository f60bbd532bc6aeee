"""Many submissions: where they come from, the gradebook that keeps what came of them, and what is made of it."""
