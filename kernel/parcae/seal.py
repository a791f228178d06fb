"""The seal: while it holds, nothing is sent to anybody outside (rule 12 of the lifecycle)."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve as replace
from attrs import field, frozen

from parcae.errors import Corrupt
from parcae.values import MAX_NOTE, Instant, StreamId, Version, cut

SEAL = StreamId("seal/store")
"""The name of its history: one store has one seal."""


def _reason(text: str) -> str:
    return cut(str(text), MAX_NOTE)


@frozen(kw_only=True)
class Sealed:
    """From now on nothing begins to be sent."""

    at: Instant
    by: str = ""
    reason: str = field(default="", converter=_reason)


@frozen(kw_only=True)
class Unsealed:
    """What was withheld may be sent."""

    at: Instant
    by: str = ""
    reason: str = field(default="", converter=_reason)


SealEvent = Sealed | Unsealed


@frozen(kw_only=True)
class Seal:
    """Whether anything may be sent.

    Attributes:
        version: how many events it has; 0: nobody has ever sealed it.
        since: since when nothing begins to be sent; ``None``: it is not sealed.
        by: who sealed it.
        reason: why.
    """

    version: Version = Version(0)
    since: Instant | None = None
    by: str = ""
    reason: str = ""

    @property
    def closed(self) -> bool:
        """Whether nothing may be sent."""
        return self.since is not None


def decide(
    seal: Seal, now: Instant, *, close: bool, by: str = "", reason: str = ""
) -> tuple[SealEvent, ...]:
    """What closing or opening it brings about; empty: it is so already."""
    if seal.closed == close:
        return ()
    return ((Sealed if close else Unsealed)(at=now, by=by, reason=reason),)


def fold(events: Iterable[SealEvent]) -> Seal:
    """The seal after ``events``.

    Raises:
        Corrupt: no run of this kernel can have written this history.
    """
    seal = Seal()
    for event in events:
        seal = evolve(seal, event)
    return seal


def evolve(seal: Seal, event: SealEvent) -> Seal:
    """The seal after ``event``.

    Raises:
        Corrupt: it is so already.
    """
    closes = isinstance(event, Sealed)
    if seal.closed == closes:
        raise Corrupt(f"{type(event).__name__} cannot follow: it is so already")
    seal = replace(seal, version=Version(seal.version + 1))
    if closes:
        return replace(seal, since=event.at, by=event.by, reason=event.reason)
    return replace(seal, since=None, by="", reason="")
