"""What has happened to a queue. ``by``: who asked for it."""

from __future__ import annotations

from attrs import frozen

from parcae.queues.rate import Rate
from parcae.values import Instant


@frozen(kw_only=True)
class QueuePaused:
    """Nothing forward starts any more."""

    at: Instant
    by: str = ""


@frozen(kw_only=True)
class QueueResumed:
    """Jobs start again."""

    at: Instant
    by: str = ""


@frozen(kw_only=True)
class LimitSet:
    """How many jobs may hold a slot at once: of a key, of each key, or of the queue."""

    at: Instant
    limit: int | None
    key: str | None = None
    each: bool = False
    by: str = ""


@frozen(kw_only=True)
class RateSet:
    """How often jobs may start: of a key, of each key, or of the queue."""

    at: Instant
    rate: Rate | None
    key: str | None = None
    each: bool = False
    by: str = ""


@frozen(kw_only=True)
class AgingSet:
    """How many places in line one level of priority is worth."""

    at: Instant
    aging: int | None
    by: str = ""


QueueEvent = QueuePaused | QueueResumed | LimitSet | RateSet | AgingSet
