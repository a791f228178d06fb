"""One queue as its events leave it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, frozen

from parcae.queues.rate import Rate
from parcae.values import Instant, StreamId, Version


@frozen(kw_only=True)
class Bounds:
    """How many jobs may hold a slot at once, and how often they may start; ``None``: no bound."""

    limit: int | None = None
    rate: Rate | None = None


@frozen(kw_only=True)
class Queue:
    """What is set for a queue.

    Attributes:
        name: its name.
        version: how many events it has; 0: nobody has set anything.
        paused_at: since when nothing forward starts; ``None``: it is not paused.
        resumed_at: when it was last resumed: staleness counts from then, at the earliest.
        bounds: of the queue as a whole.
        each: of each key that ``keys`` does not name: the key ``""`` is one like others.
        keys: of single keys, in place of ``each``.
        aging: how many places in line one level of priority is worth: no job is overtaken by more
            later ones than that, times the levels between them. ``None``: a greater priority
            always goes first.
    """

    name: str
    version: Version = Version(0)
    paused_at: Instant | None = None
    resumed_at: Instant | None = None
    bounds: Bounds = Factory(Bounds)
    each: Bounds = Factory(Bounds)
    keys: Mapping[str, Bounds] = Factory(dict)
    aging: int | None = None

    @property
    def paused(self) -> bool:
        """Whether nothing forward starts."""
        return self.paused_at is not None

    def of(self, key: str) -> Bounds:
        """The bounds of one key."""
        return self.keys.get(key, self.each)

    @property
    def keyed(self) -> bool:
        """Whether any key has bounds of its own, so that keys are lines of their own."""
        return any(one != Bounds() for one in (self.each, *self.keys.values()))


def queue_stream(name: str) -> StreamId:
    """The name of a queue's history."""
    return StreamId(f"queue/{name}")
