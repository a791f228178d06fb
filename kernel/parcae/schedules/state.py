"""One schedule as its events leave it."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from attrs import field, frozen

from parcae.spec import Spec
from parcae.values import (
    Instant,
    StreamId,
    Version,
    minutes,
    valid_duration,
    valid_name,
    valid_number,
)

GRACE = minutes(1)
"""How late a tick may be noticed unless a plan says otherwise."""


class Missed(StrEnum):
    """Which of the ticks that are due get a job, where nobody looked in time.

    Without delay one tick is due at a time, and each policy gives it its job.

    - ``skip``: the latest alone, and that only within the plan's grace.
    - ``once``: the latest alone, however late: one job stands for all of them.
    - ``all``: each of the latest ``at_most``.
    """

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


@frozen(kw_only=True)
class Plan:
    """When which job is admitted.

    Attributes:
        cron: five fields, as cron reads them.
        zone: the time zone they are meant in, by its IANA name.
        spec: what each job is asked to be.
        payload: its arguments, as JSON text: the job's payload.
        missed: which ticks get a job where nobody looked in time.
        at_most: with ``all``: so many of them.
        grace: with ``skip``: how late a tick may be noticed and still get its job.
    """

    cron: str = field(validator=valid_name)
    zone: str = field(default="UTC", validator=valid_name)
    spec: Spec
    payload: str
    missed: Missed = field(default=Missed.ONCE, converter=Missed)
    at_most: int = field(default=10, validator=valid_number(1, 1_000))
    grace: timedelta = field(default=GRACE, validator=valid_duration(timedelta(0)))

    def keeps_ticks(self, other: Plan) -> bool:
        """Whether ``other`` has the very same ticks."""
        return (self.cron, self.zone) == (other.cron, other.zone)


@frozen(kw_only=True)
class Schedule:
    """A plan, and how far it got.

    One that is removed keeps its name and how far it got, so that the same name set anew, under
    a clock that went back, gives no tick a second job.

    Attributes:
        name: its name.
        version: how many events it has.
        plan: when which job is admitted.
        since: all ticks up to then are settled, whatever became of them. It never goes back.
        next_at: when the next tick is due; ``None``: there is none.
        last_at: the last tick for which a job was admitted.
        fired: how many jobs were admitted.
        paused: no tick counts.
        removed: it is gone.
    """

    name: str = field(validator=valid_name)
    version: Version
    plan: Plan
    since: Instant
    next_at: Instant | None = None
    last_at: Instant | None = None
    fired: int = 0
    paused: bool = False
    removed: bool = False


def schedule_stream(name: str) -> StreamId:
    """The name of a schedule's history."""
    return StreamId(f"schedule/{name}")
