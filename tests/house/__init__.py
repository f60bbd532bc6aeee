"""Rules that the source itself keeps."""
