"""Bugs that job systems shipped, planted into this kernel, each of which must be found."""
