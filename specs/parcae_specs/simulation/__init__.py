"""Deterministic simulation: the real engine, worker and keeper in virtual time, under faults.

Every thread of every simulated process is an event loop of its own (a strand); one scheduler runs
them all in one real thread, and a seed decides who goes on when, and what goes wrong.
"""
