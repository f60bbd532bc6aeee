"""Submissions that attack the grader, and bytes that attack its wire."""
