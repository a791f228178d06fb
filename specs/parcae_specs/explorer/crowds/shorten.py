"""Worlds that differ only in names, or in when they happened, made into one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from attrs import evolve as replace

from parcae.change import KeyRow
from parcae.effects import Offer
from parcae.groups import Ended, Group, Open
from parcae.spec import Spec
from parcae.state import Stored
from parcae.values import Instant, Place, Version
from parcae_specs.explorer.cell import NOW, Cell
from parcae_specs.explorer.clockwork import Scale, settled_times, shifted
from parcae_specs.explorer.crowds.world import Ghost, GroupRow, Mind, QueueRow, Row, World
from parcae_specs.explorer.names import rename

SCALE = Scale()
Called = tuple[Row, Mapping[int, int]]


class Shortener:
    """Gives each world its shortest name; what was worked out once is remembered.

    Args:
        symmetric: workers are interchangeable.
        patient: jobs have a patience, so that it matters when the queue was resumed.
    """

    def __init__(self, *, symmetric: bool, patient: bool) -> None:
        self.symmetric = symmetric
        self.patient = patient
        self._rows: dict[tuple[Row, timedelta, int, int], Called] = {}
        self._known: dict[Row, Row] = {}

    def short(self, world: World) -> World:
        """The world at :data:`NOW`, with ranks for places and tokens, workers in order."""
        by = world.now - NOW
        places = _places(world)
        rows: list[Row] = []
        names: list[Mapping[int, int]] = []
        for slot, row in enumerate(world.rows):
            bits = _tokens(row, slot, world.minds)
            place = places.get(slot, 0)
            called = self._rows.get((row, by, bits, place))
            if called is None:
                called = self._short(row, by, bits, place)
                self._rows[row, by, bits, place] = called
            rows.append(called[0])
            names.append(called[1])
        minds = tuple(_mind(mind, names) for mind in world.minds)
        return World(
            now=NOW,
            rows=tuple(rows),
            groups=tuple(_group(row) for row in world.groups),
            queue=self._queue(world.queue, by),
            keys=tuple(_key(row, by) for row in world.keys if not _expired(row, world.now)),
            minds=tuple(sorted(minds)) if self.symmetric else minds,
            purse=world.purse,
            asked=world.asked,
        )

    def _short(self, row: Row, by: timedelta, bits: int, place: int) -> Called:
        if row.stored is None:
            return self._known.setdefault(row, row), {}
        cell = shifted(Cell(stored=row.stored), by)
        renamed = rename(settled_times(cell, SCALE), bits, request=False, place=place)
        assert renamed.cell.stored is not None
        # Whether it has started before decides whether it still stands for a constraint.
        stored = renamed.cell.stored
        started = min(row.stored.job.starts, 1)
        spec = _spec(row.spec, by)
        job = replace(stored.job, spec=spec, starts=started)
        stored = Stored(job=job, liveness=stored.liveness)
        short = replace(
            row,
            spec=spec,
            stored=stored,
            offer=_offer(row.offer, by, place),
            remind=_later(row.remind, by),
            ghost=_ghost(row.ghost, by),
        )
        return self._known.setdefault(short, short), renamed.ranks

    def _queue(self, row: QueueRow, by: timedelta) -> QueueRow:
        queue, free_at = row.queue, row.free_at
        if queue is None:
            return row
        free_at = None if free_at is None or free_at - by <= NOW else free_at - by
        paused, resumed = queue.paused_at, queue.resumed_at
        queue = replace(
            queue,
            version=Version(1),
            paused_at=None if paused is None else NOW,
            resumed_at=resumed - by if resumed is not None and self.patient else None,
        )
        return replace(row, queue=queue, text=repr(queue), free_at=free_at)


def _places(world: World) -> Mapping[int, int]:
    """The places in line of jobs that have not ended, by rank."""
    used = {
        slot: row.stored.job.place
        for slot, row in enumerate(world.rows)
        if row.stored is not None and not row.quiet and row.stored.job.place
    }
    ranks = {place: rank for rank, place in enumerate(sorted(set(used.values())), 1)}
    return {slot: ranks[place] for slot, place in used.items()}


def _tokens(row: Row, slot: int, minds: tuple[Mind, ...]) -> int:
    lease = row.stored.job.lease if row.stored is not None else None
    bits = 0 if lease is None else 1 << lease.token
    for mind in minds:
        for held, token in mind:
            if held == slot:
                bits |= 1 << token
    return bits


def _mind(mind: Mind, names: list[Mapping[int, int]]) -> Mind:
    # Of a deleted job nobody knows the token any more.
    return tuple(sorted((slot, names[slot].get(token, 0)) for slot, token in mind))


def _later(at: Instant | None, by: timedelta) -> Instant | None:
    return None if at is None else max(at - by, NOW)


def _spec(spec: Spec, by: timedelta) -> Spec:
    """With its start, and the patience of a debounce, counted from now as far as they matter."""
    if spec.run_at is not None:
        run_at = spec.run_at - by
        spec = replace(spec, run_at=run_at if run_at > NOW else None)
    unique = spec.unique
    if unique is None or unique.since is None:
        return spec
    first = NOW - (unique.at_most or timedelta(0))
    return replace(spec, unique=replace(unique, since=max(unique.since - by, first)))


def _ghost(ghost: Ghost, by: timedelta) -> Ghost:
    until = None if ghost.stands_until is None else ghost.stands_until - by
    over = until is None or until <= NOW
    return replace(ghost, stands_until=None if over else until)


def _offer(offer: Offer | None, by: timedelta, place: int) -> Offer | None:
    if offer is None:
        return None
    return replace(
        offer, at=max(offer.at - by, NOW), until=_later(offer.until, by), place=Place(place)
    )


def _expired(row: KeyRow, now: Instant) -> bool:
    return row.expires_at is not None and row.expires_at <= now


def _key(row: KeyRow, by: timedelta) -> KeyRow:
    return row if row.expires_at is None else replace(row, expires_at=row.expires_at - by)


def _group(row: GroupRow) -> GroupRow:
    group = row.group
    state = group.state
    if isinstance(state, Ended):
        state = replace(state, at=NOW)
    elif not isinstance(state, Open):
        state = replace(state, since=NOW)
    group = replace(group, state=state, version=Version(1))
    return group_row(replace(row, remind=None if row.remind is None else NOW), group)


def group_row(row: GroupRow, group: Group) -> GroupRow:
    """The row with another group in it."""
    return replace(row, group=group, text=repr(group))
