"""Different: the package brings no names along; each is imported from the file that defines it."""
