"""Where the same checks run elsewhere: under pytest, on Gradescope, in continuous integration."""
