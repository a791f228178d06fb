"""Histories of concurrent clients, and whether a store that is strictly serialisable wrote them.

Every commit answers with its position in the log. So no order has to be searched for, as is usual
for such checks: operations are replayed by position on the reference, in linear time but for the
sorting, and what was answered before another call began must stand before it.
"""
