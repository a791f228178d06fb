"""A second, smaller explorer: many jobs at once, with their queues, groups and keys.

The first one walks every way of one job through a bad network. Here a worker's call always
arrives, but jobs wait for each other, share slots, belong to groups and stand for constraints;
what no single commit holds (a window of a group, a level of dependents) is a move of its own, so
that a crash between any two of them is among the ways.
"""
