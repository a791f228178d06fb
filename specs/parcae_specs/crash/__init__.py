"""Crashes, wherever they can happen: at the port, at each system call, with the power, by the disk.

``python -m parcae_specs.crash`` runs them and writes ``specs/crash-points.md``.
"""
