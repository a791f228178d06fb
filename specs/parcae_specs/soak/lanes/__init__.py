"""Limits under stress: many jobs of several actions, real processes, and some of them killed."""
