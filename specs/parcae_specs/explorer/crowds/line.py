"""S6, S7 and S8 at every start: who may, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from parcae import events as e
from parcae.change import Change
from parcae.spec import DependencyPolicy
from parcae.state import Compensating, Scheduled
from parcae.values import Instant, JobId, Place, Status
from parcae_specs.explorer.crowds.world import QueueRow, Row, World

if TYPE_CHECKING:
    from parcae_specs.explorer.crowds.observe import Commit


def waits(row: Row, now: Instant, *, undo: bool) -> bool:
    """Whether a job stands in line and is due, worked out from its state and its spec."""
    if row.stored is None:
        return False
    job = row.stored.job
    if isinstance(job.state, Scheduled):
        late = job.deadline is not None and job.deadline <= now
        patience = job.spec.timing.stale_after
        late = late or (patience is not None and job.state.since + patience <= now)
        return not undo and job.state.ready_at <= now and not late
    resting = isinstance(job.state, Compensating) and job.state.lease is None
    return undo and resting and job.state.ready_at <= now  # type: ignore[union-attr]


def room(rows: tuple[Row, ...], queue: QueueRow, row: Row, now: Instant, *, undo: bool) -> bool:
    """Whether another job of the lane of ``row`` may start beside those that hold a slot."""
    early = queue.free_at is not None and queue.free_at > now
    if (queue.paused or early) and not undo:
        return False
    held = [one for one in rows if one.ghost.held]
    if queue.limit is not None and len(held) >= queue.limit:
        return False
    alike = sum(one.spec.lane == row.spec.lane for one in held)
    return queue.each is None or alike < queue.each


def startable(world: World) -> Iterator[Row]:
    """L2: the jobs one of which has to start as soon as a worker asks."""
    for row in world.rows:
        for undo in (False, True):
            free = room(world.rows, world.queue, row, world.now, undo=undo)
            if free and waits(row, world.now, undo=undo):
                yield row


class Line:
    """The line as one commit changes it."""

    def __init__(self, commit: Commit) -> None:
        self.commit = commit
        self.places: list[Place] = []
        self.gone: set[JobId] = set()

    def starts(self, row: Row, event: e.Started | e.CompensationClaimed) -> None:
        """A job starts, or an undo."""
        commit, undo = self.commit, isinstance(event, e.CompensationClaimed)
        commit.require(not row.ghost.held, "S3", f"{row.id} is claimed while it is held")
        now = commit.world.now
        free = room(tuple(commit.rows), commit.queue, row, now, undo=undo)
        commit.require(free, "S6", f"{row.id} starts, and no slot is free for it")
        self._in_turn(row, undo=undo)
        if not undo:
            self._allowed(row)
            commit.spent(now)
        self.gone.add(row.id)

    def _in_turn(self, row: Row, *, undo: bool) -> None:
        commit = self.commit
        mine = self._turn(row, undo=undo)
        for other in commit.world.rows:
            same = other.spec.lane == row.spec.lane and other.spec.priority == row.spec.priority
            if not same or other.id == row.id or other.id in self.gone:
                continue
            for theirs in (False, True):
                first = waits(other, commit.world.now, undo=theirs)
                if theirs < undo or not first or self._turn(other, undo=theirs) > mine:
                    continue
                commit.require(False, "S7", f"{row.id} starts before {other.id}")

    def _turn(self, row: Row, *, undo: bool) -> tuple[bool, int]:
        assert row.stored is not None
        return not undo, row.stored.job.place

    def _allowed(self, row: Row) -> None:
        """S8: all that it depends on has ended, and lets it start."""
        for one in row.spec.dependencies:
            outcome = self.commit.outcome(one.parent)
            well = outcome is Status.COMPLETED
            proceeds = outcome is not None and one.policy is DependencyPolicy.PROCEED
            message = f"{row.id} starts, though {one.parent} is {outcome}"
            self.commit.require(well or proceeds, "S8", message)

    def joins(self, row: Row, place: Place) -> None:
        """S7: who joins the line stands behind all who stand in it."""
        behind = place >= self.commit.place and place not in self.places
        self.commit.require(behind, "S7", f"{row.id} does not go to the end of the line")
        self.places.append(place)

    def returns(self, row: Row, change: Change) -> None:
        """S7: who is handed back by a shutdown has its old place."""
        assert row.stored is not None
        assert change.job is not None
        kept = change.job.place == row.stored.job.place
        self.commit.require(kept, "S7", f"{row.id} lost its place in a shutdown")
