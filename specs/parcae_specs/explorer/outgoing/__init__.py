"""A third explorer: what is owed to subscriptions, and those who send it.

The rules are those of production (:mod:`parcae.outbox`); around them are senders that die between
any two of their steps, a receiver that may take something although its sender hears nothing of it,
operators, a clock that is set back, and retention of jobs and deliveries. Each world is a value,
and all its instants are kept as if it were always the same moment, so that the walk ends.
"""
