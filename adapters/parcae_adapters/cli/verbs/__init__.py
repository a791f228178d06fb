"""The verbs of the command line: one module each, which holds its ``command``."""
