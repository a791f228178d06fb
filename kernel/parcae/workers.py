"""The register of workers: what each says of itself, and who of them can be taken to be alive.

A worker writes itself down when it starts and then every :data:`ENLIST_EVERY`, and strikes itself
out when it has stopped in order. The register decides nothing about jobs: leases do. It is there
so that a worker with nothing to do can be told from none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from attrs import Attribute, field, frozen

from parcae.values import (
    Instant,
    WorkerId,
    hours,
    seconds,
    valid_label,
    valid_name,
    valid_number,
)

ENLIST_EVERY = seconds(10)
"""So often a worker says that it is there."""

GONE_AFTER = ENLIST_EVERY * 3
"""From then on, without a word, it is taken to be gone: two words in a row may be late."""

KEPT = hours(1)
"""For so long a worker that is gone without a farewell can still be seen."""

SKEW = seconds(1)
"""By so much the clock of whoever wrote a row may be ahead before nobody can tell any more."""

MOST_WORKERS = 1_000
"""Rows in the register at the most; of those that are gone the longest silent are forgotten."""

MOST_NAMES = 10_000
"""Kinds, or queues, of one worker."""


class Attendance(StrEnum):
    """Whether a worker is there."""

    PRESENT = "present"
    DRAINING = "draining"
    STUCK = "stuck"
    SILENT = "silent"
    UNKNOWN = "unknown"


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _sorted_or_none(names: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if names is None else _sorted(names)


def _valid_names(instance: object, attribute: Attribute[Any], value: Any) -> None:
    if value is None:
        return
    if len(value) > MOST_NAMES:
        raise ValueError(f"expected at most {MOST_NAMES} {attribute.name}, got {len(value)}")
    for name in value:
        valid_name(instance, attribute, name)


@frozen(kw_only=True)
class Presence:
    """What a worker says of itself.

    Attributes:
        id: its name, unique among all workers.
        host: the machine that it runs on; empty: unknown.
        pid: its process there; 0: unknown.
        kinds: what it can run, sorted.
        queues: only from these, sorted; ``None``: from all.
        capacity: how many jobs it runs at once.
        abandoned: how many of those places are kept by handlers that go on although their lease
            is gone; such a place is free again once its handler returns.
        started_at: when it started.
        heard_at: when it said this.
        until: from then on, without another word, it is taken to be gone.
        draining: it stops, and takes no more jobs.
        version: of Parcae; empty: unknown.
    """

    id: WorkerId = field(validator=valid_name)
    host: str = field(default="", validator=valid_label)
    pid: int = field(default=0, validator=valid_number(0, 2**63 - 1))
    kinds: tuple[str, ...] = field(default=(), converter=_sorted, validator=_valid_names)
    queues: tuple[str, ...] | None = field(
        default=None, converter=_sorted_or_none, validator=_valid_names
    )
    capacity: int = field(default=1, validator=valid_number(1, 1_000))
    abandoned: int = field(default=0, validator=valid_number(0, 1_000))
    started_at: Instant
    heard_at: Instant
    until: Instant
    draining: bool = False
    version: str = field(default="", validator=valid_label)

    @property
    def stuck(self) -> bool:
        """Whether handlers that do not stop keep all of its places: it takes no more jobs."""
        return self.abandoned >= self.capacity


def attendance(one: Presence, now: Instant) -> Attendance:
    """Whether a worker is there at ``now``.

    One that was heard of in the future has seen another clock than ours: whether it is there
    nobody can tell until it says so again.
    """
    if one.heard_at - now > SKEW:
        return Attendance.UNKNOWN
    if one.until <= now:
        return Attendance.SILENT
    if one.draining:
        return Attendance.DRAINING
    return Attendance.STUCK if one.stuck else Attendance.PRESENT


def takes(one: Presence, kind: str, queue: str) -> bool:
    """Whether it would take jobs of that kind from that queue, if it is there."""
    return kind in one.kinds and (one.queues is None or queue in one.queues)


def present(register: Iterable[Presence], now: Instant) -> tuple[Presence, ...]:
    """Those that are there, and take jobs."""
    return tuple(one for one in register if attendance(one, now) is Attendance.PRESENT)


def takers(
    register: Iterable[Presence], kind: str, queue: str, now: Instant
) -> frozenset[WorkerId] | None:
    """Who is there and takes jobs of that kind from that queue; ``None``: nobody can tell.

    Nobody can tell where all that might be there were heard of in the future.
    """
    able = [one for one in register if takes(one, kind, queue)]
    there = frozenset(one.id for one in present(able, now))
    doubtful = any(attendance(one, now) is Attendance.UNKNOWN for one in able)
    return None if doubtful and not there else there


def heard_since(
    register: Iterable[Presence], lost: Mapping[WorkerId, Instant]
) -> Sequence[Presence]:
    """The register without those that lost a lease and have said nothing since.

    Args:
        register: who is written down.
        lost: when whose lease was taken away, because it was not heard of.
    """
    return tuple(one for one in register if one.id not in lost or one.heard_at > lost[one.id])


def forgotten_before(now: Instant) -> Instant:
    """Who was to be taken for gone before that is struck out of the register."""
    return now - KEPT


def until(now: Instant, every: timedelta = ENLIST_EVERY) -> Instant:
    """From when on a worker that is heard of now is taken to be gone, unless it is again."""
    return now + max(GONE_AFTER, every * 3)
