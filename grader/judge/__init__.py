"""Compares a submission's answers with the reference's, finds the smallest case that differs, says why."""
