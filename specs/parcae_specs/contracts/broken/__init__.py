"""Stores that are broken on purpose, each in one way that has happened to somebody.

They show that the contract sees: each has to fail at the test that names what it breaks.
"""
