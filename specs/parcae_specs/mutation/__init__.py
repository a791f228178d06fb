"""Mutants of the kernel: every small change to it that the quick tests let pass.

``python -m parcae_specs.mutation`` copies the kernel, lets mutmut change one thing at a time in the
copy, runs the tests that come by there, and writes ``specs/mutation.md``: what was killed, and why
whatever survived may.
"""
