"""What clients saw: operations with the times of their calls and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from attrs import Factory, frozen

from parcae.change import AnyEvent
from parcae.ports import Recorded
from parcae.state import Stored
from parcae.values import Instant, JobId, Place, Position
from parcae_specs.linear.asks import Ask


class Ended(StrEnum):
    """How an operation ended, for all that its client knows."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    READ = "read"


@frozen
class Intent:
    """What the last run of a rule meant to do to one job.

    Attributes:
        job: which one.
        before: its version before.
        events: how many events it was to get.
    """

    job: JobId
    before: int
    events: int


@frozen
class Run:
    """The last run of an operation's rule: what it was shown, and what it meant to do.

    Attributes:
        at: nanoseconds, on the clock of the calls.
        now: the instant it was shown.
        place: the first free place it was shown.
        seed: the chance it was given.
        versions: the versions of the jobs it was shown; 0: not there.
        intents: what it meant to do, idle changes left out.
    """

    at: int
    now: Instant
    place: Place
    seed: int
    versions: Mapping[JobId, int]
    intents: tuple[Intent, ...] = ()

    @property
    def events(self) -> int:
        """How many events in all."""
        return sum(one.events for one in self.intents)


@frozen(kw_only=True)
class Operation:
    """One call.

    Attributes:
        name: of the client, and the number of the call.
        ask: what was asked; ``None``: it only read.
        called: nanoseconds on a clock that all clients share.
        answered: likewise; ``None``: it never was.
        ended: how it ended.
        run: the last run of its rule; ``None``: it never ran.
        position: what the commit answered.
        versions: what a read found: the version of each job, 0 for one that is not there.
    """

    name: str
    ask: Ask | None
    called: int
    answered: int | None = None
    ended: Ended = Ended.UNKNOWN
    run: Run | None = None
    position: Position | None = None
    versions: Mapping[JobId, int] = Factory(dict)

    @property
    def intents(self) -> tuple[Intent, ...]:
        """What it meant to do."""
        return () if self.run is None else self.run.intents

    @property
    def names(self) -> Sequence[tuple[JobId, int]]:
        """The events that it meant to add: of which job, and leading to which version."""
        return [
            (intent.job, intent.before + 1 + offset)
            for intent in self.intents
            for offset in range(intent.events)
        ]


@frozen(kw_only=True)
class History:
    """Everything that is known of a run.

    Attributes:
        operations: what all clients did, in no order.
        followed: the log, as somebody followed it from its beginning to its end.
        log: the log at the end: what was deleted is not in it.
        rows: the jobs at the end.
    """

    operations: Sequence[Operation]
    followed: Sequence[Recorded[AnyEvent]]
    log: Sequence[Recorded[AnyEvent]]
    rows: Sequence[Stored]


class Wrong(AssertionError):
    """No strictly serialisable store can have written this history.

    Attributes:
        guarantee: what it breaks.
    """

    def __init__(self, guarantee: str, message: str) -> None:
        super().__init__(f"{guarantee}: {message}")
        self.guarantee = guarantee
