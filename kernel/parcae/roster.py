"""Who is at work in a store: the register of workers, and the leases that they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta

from attrs import evolve, frozen

from parcae.ports import Query, Store
from parcae.state import Stored
from parcae.timing import expired
from parcae.values import Instant, Status, WorkerId
from parcae.workers import SKEW, Attendance, Presence, attendance

PAGE = 1_000
SEEN = 10_000
"""So many jobs of a status are looked at, the newest first: looking has to end."""

HELD = (Status.RUNNING, Status.COMPENSATING)


@frozen(kw_only=True)
class Crew:
    """A worker, as far as anybody knows.

    Attributes:
        worker: its name.
        attendance: whether it is there.
        jobs: how many leases it holds.
        heard_at: when it was last heard of; ``None``: nobody knows.
        silent: it holds leases, and all of them have run out.
        presence: what it has written down; ``None``: nothing, so that only its leases are known.
    """

    worker: WorkerId
    attendance: Attendance
    jobs: int
    heard_at: Instant | None
    silent: bool
    presence: Presence | None = None

    @property
    def state(self) -> str:
        """In one word: how it is, and of one that takes jobs whether it has any."""
        if self.attendance is Attendance.PRESENT:
            return "busy" if self.jobs else "idle"
        return str(self.attendance)

    def ahead(self, now: Instant) -> timedelta:
        """By how much it was heard of in the future: a clock is off, or was set back."""
        return max((self.heard_at or now) - now, timedelta(0))


STATES = ("idle", "busy", *(str(one) for one in Attendance if one is not Attendance.PRESENT))
"""Every :attr:`Crew.state`."""


async def roster(store: Store) -> tuple[Crew, ...]:
    """Who is in the register, and who holds leases without being in it, by name."""
    register = await store.workers()
    holding = [one async for one in some(store, *HELD) if one.job.lease is not None]
    return crew(register, holding, store.clock.now())


async def some(store: Store, *statuses: Status) -> AsyncIterator[Stored]:
    """Jobs in these statuses, the newest first, ``SEEN`` at the most."""
    query, seen = Query(statuses=frozenset(statuses), limit=PAGE), 0
    while seen < SEEN:
        page = await store.find(query)
        for stored in page.jobs:
            yield stored
        seen += len(page.jobs)
        if not page.cursor:
            return
        query = evolve(query, cursor=page.cursor)


def crew(register: Iterable[Presence], holding: Iterable[Stored], now: Instant) -> tuple[Crew, ...]:
    """Everybody of whom anything is known, by name.

    Args:
        register: what workers have written down.
        holding: the jobs that are held.
        now: the present instant.
    """
    leases: dict[WorkerId, list[Stored]] = {}
    for one in holding:
        assert one.job.lease is not None
        leases.setdefault(one.job.lease.worker, []).append(one)
    written = {one.id: one for one in register}
    names = sorted(leases.keys() | written.keys())
    return tuple(_crew(name, written.get(name), leases.get(name, ()), now) for name in names)


def _crew(name: WorkerId, presence: Presence | None, held: Sequence[Stored], now: Instant) -> Crew:
    heard = [one.liveness.renewed_at for one in held if one.liveness]
    silent = bool(held) and all(expired(one.liveness, now) for one in held)
    if presence is not None:
        heard = [*heard, presence.heard_at]
    heard_at = max(heard, default=None)
    return Crew(
        worker=name,
        attendance=_by_leases(heard_at, silent, now)
        if presence is None
        else _by_both(presence, held, silent, now),
        jobs=len(held),
        heard_at=heard_at,
        silent=silent,
        presence=presence,
    )


def _by_both(presence: Presence, held: Sequence[Stored], silent: bool, now: Instant) -> Attendance:
    """Who let all leases run out and has said nothing since is not there, whatever it said."""
    said = attendance(presence, now)
    lapsed = max((one.liveness.expires_at for one in held if one.liveness), default=None)
    if not silent or said is Attendance.UNKNOWN or lapsed is None:
        return said
    return Attendance.SILENT if presence.heard_at < lapsed else said


def _by_leases(heard_at: Instant | None, silent: bool, now: Instant) -> Attendance:
    if heard_at is None or heard_at - now > SKEW:
        return Attendance.UNKNOWN
    return Attendance.SILENT if silent else Attendance.PRESENT
