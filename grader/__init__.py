"""backcheck: the autograder for courses in which students write their own automatic differentiation.

Importing this package is cheap on purpose: nothing below is loaded until it is used.
"""

__version__ = "0.1.0"
