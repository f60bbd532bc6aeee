"""`python -m grader` is the same command as `grade`."""

from grader.cli import main

main()
