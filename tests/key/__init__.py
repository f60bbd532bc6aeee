"""The answer key, judged by means that share nothing with it."""
