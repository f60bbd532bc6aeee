"""The command as people call it."""
