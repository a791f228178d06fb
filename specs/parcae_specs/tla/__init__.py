"""A second semantics: ``specs/Lifecycle.tla``, compared with the kernel edge by edge, both ways.

The module was written from the prose. TLC walks all its states and prints each edge; the kernel is
walked beside it with the same commands. Whatever one does and the other does not is a difference,
told with the shortest way to it. ``python -m parcae_specs.tla`` compares the small configurations,
``--deep`` the large ones.
"""
