"""Stores what a rule gave back, as a store must, and holds every event against the guarantees."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve as replace

from parcae import events as e
from parcae.change import Change, Key, KeyRow, Revision
from parcae.effects import Offer, Remind
from parcae.events import Event
from parcae.evolve import fold
from parcae.groups import Group
from parcae.groups import events as g
from parcae.groups.evolve import evolve as evolve_group
from parcae.queues import Queue
from parcae.state import Stored
from parcae.values import Instant, Place, Status
from parcae_specs.explorer.crowds import together
from parcae_specs.explorer.crowds.line import Line
from parcae_specs.explorer.crowds.shorten import group_row
from parcae_specs.explorer.crowds.world import Ghost, GroupRow, Row, World
from parcae_specs.explorer.watch import Violation
from parcae_specs.invariants.facts import ENDS

CLAIMS = (e.Started, e.CompensationClaimed)
GIVES_UP = (
    e.RetryScheduled,
    e.Released,
    e.CompensationBegan,
    e.UndoRetryScheduled,
    e.CompensationReleased,
    e.CompensationLost,
    *ENDS,
)


class Commit:
    """One commit under way: the world as the changes so far leave it, and what they break.

    Args:
        world: before it.
        place: the first free place in line.
    """

    def __init__(self, world: World, place: Place) -> None:
        self.world = world
        self.rows = list(world.rows)
        self.slots = {row.id: slot for slot, row in enumerate(world.rows)}
        self.groups = {row.group.id: row for row in world.groups}
        self.queue = world.queue
        self.keys: dict[Key, KeyRow] = {row.key: row for row in world.keys}
        self.place = place
        self.broken: list[Violation] = []
        self.line = Line(self)

    def require(self, condition: bool, guarantee: str, message: str) -> None:
        """Report ``guarantee`` as broken unless ``condition`` holds."""
        if not condition:
            self.broken.append(Violation(guarantee, message))

    def store(self, changes: Sequence[Change | Revision]) -> World:
        """All of them, and the world after them."""
        for change in changes:
            if isinstance(change, Revision):
                self._revise(change)
            elif change.idle:
                continue
            else:
                self._change(change)
            self.keys.update((row.key, row) for row in change.keys)
        world = self.world._replace(
            rows=tuple(self.rows),
            groups=tuple(self.groups.values()),
            queue=self.queue,
            keys=tuple(sorted(self.keys.values(), key=lambda row: (row.key.scope, row.key.key))),
        )
        self.broken += together.broken(world)
        return world

    def _change(self, change: Change) -> None:
        slot = self.slots.get(change.job_id)
        row = None if slot is None else self.rows[slot]
        stored = row.stored if row is not None else None
        before = stored.job if stored is not None else None
        known = before.version if before else 0
        self.require(change.before == known, "S16", "decided upon an older version")
        for event in change.events:
            row = self._seen(row, change, event)
        assert row is not None
        if change.events:
            same = fold(change.job_id, change.events, before) == change.job
            self.require(same, "S5", "a job is not the fold of its events")
        if change.job is None:
            after = replace(row, stored=None, offer=None, remind=None)
        else:
            kept = Stored(job=change.job, liveness=change.liveness)
            after = replace(row, stored=kept, offer=_offer(change), remind=_remind(change))
            held = change.job.lease is not None
            self.require(held is row.ghost.held, "S6", "a slot is held, but no lease recorded")
        if slot is None:
            self.slots[after.id] = len(self.rows)
            self.rows.append(after)
        else:
            self.rows[slot] = after

    def _seen(self, row: Row | None, change: Change, event: Event) -> Row:
        """The row once its observer has seen ``event``."""
        if isinstance(event, e.Submitted):
            together.admitted(self, event)
            return Row(id=change.job_id, spec=event.spec, stored=None, ghost=_born(event))
        assert row is not None
        ghost = row.ghost
        if isinstance(event, CLAIMS):
            self.line.starts(row, event)
            ghost = replace(ghost, held=True, started=ghost.started or isinstance(event, e.Started))
        if isinstance(event, e.Scheduled | e.RetryScheduled):
            self.line.joins(row, event.place)
        if isinstance(event, e.Released):
            self.line.returns(row, change)
        if isinstance(event, e.DependencySettled):
            self._settled(row, event)
        if isinstance(event, e.UndoStarted):
            together.undoes(self, row)
        if isinstance(event, e.Deleted):
            together.deleted(self, row)
        if isinstance(event, e.Cancelled) and event.request is not None:
            together.replaced(self, row, event.request.reason)
        return replace(row, ghost=self._remembered(row, ghost, event))

    def _remembered(self, row: Row, ghost: Ghost, event: Event) -> Ghost:
        if isinstance(event, GIVES_UP):
            ghost = replace(ghost, held=False)
        if isinstance(event, e.CancelRequested):
            ghost = replace(ghost, asked=True)
        if isinstance(event, e.PhaseCompleted):
            ghost = replace(ghost, done=ghost.done | {event.phase})
        if isinstance(event, e.UndoCompleted):
            twice = event.phase in ghost.undone
            self.require(not twice, "S12", f"{event.phase} is undone twice")
            ghost = replace(ghost, undone=ghost.undone | {event.phase})
        if type(event) in ENDS:
            self.require(ghost.outcome is None, "S1", f"{row.id} has ended twice")
            ghost = replace(ghost, outcome=ENDS[type(event)])
        return ghost

    def _settled(self, row: Row, event: e.DependencySettled) -> None:
        """S8: what a child is told of its parent is so."""
        truth = self.outcome(event.parent)
        told = f"{row.id} was told that {event.parent} is {event.outcome}, but it is {truth}"
        self.require(truth is event.outcome, "S8", told)

    def spent(self, now: Instant) -> None:
        """A job has started: the next one may a while later."""
        if self.queue.every is not None:
            self.queue = replace(self.queue, free_at=now + self.queue.every)

    def outcome(self, parent: str) -> Status | None:
        """How a job or group has ended, by its events up to now; ``None``: it has not."""
        for row in self.rows:
            if row.id == parent:
                return row.ghost.outcome
        # The change of a job comes before those that follow from it, so it is stored by now.
        return next((row.outcome for name, row in self.groups.items() if name == parent), None)

    def _revise(self, revision: Revision) -> None:
        after = revision.after
        if isinstance(after, Queue):
            self.queue = replace(self.queue, queue=after, text=repr(after))
            return
        assert isinstance(after, Group)
        row = self.groups.get(after.id)
        version = row.group.version if row else 0
        self.require(revision.before == version, "S16", "a group was decided upon an older version")
        group = row.group if row else None
        row = row or GroupRow(text="", group=after)
        for event in revision.events:
            group = evolve_group(after.id, group, event)  # type: ignore[arg-type]
            row = self._told(row, event)
        self.require(group == after, "S5", "a group is not the fold of its events")
        row = group_row(replace(row, remind=revision.remind), after)
        self.groups[after.id] = row

    def _told(self, row: GroupRow, event: object) -> GroupRow:
        """The row of a group once its observer has seen ``event``."""
        if isinstance(event, g.MemberEnded | g.MemberUndone):
            truth = self.outcome(event.job_id)
            self.require(truth is event.outcome, "S8", "a group was told what is not so")
        if isinstance(event, g.GroupStopped):
            return replace(row, stopped=True)
        if isinstance(event, g.GroupEnded):
            together.ended(self, row, event.outcome)
            return replace(row, outcome=event.outcome)
        return row


def _born(event: e.Submitted) -> Ghost:
    unique = event.spec.unique
    period = unique.period if unique is not None else None
    return Ghost(stands_until=None if period is None else event.at + period)


def _offer(change: Change) -> Offer | None:
    return next((one for one in change.effects if isinstance(one, Offer)), None)


def _remind(change: Change) -> Instant | None:
    return next((one.at for one in change.effects if isinstance(one, Remind)), None)
