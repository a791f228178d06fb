"""What holds of several jobs together: nobody waits for what has ended, and groups end truly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from parcae import events as e
from parcae.groups import Stopping, Undoing
from parcae.spec import RetryMode, Until
from parcae.state import Pending
from parcae.values import GroupId, Instant, Status
from parcae_specs.explorer.crowds.world import GroupRow, Row, World
from parcae_specs.explorer.watch import Violation

if TYPE_CHECKING:
    from parcae_specs.explorer.crowds.observe import Commit


def members(rows: tuple[Row, ...], name: GroupId) -> list[Row]:
    """The members of a group, in their order, without the jobs that undo them."""
    mine = [row for row in rows if row.spec.group and row.spec.group.group_id == name]
    inside = [(row.spec.group.index, row) for row in mine if row.spec.group]
    return [row for _, row in sorted(inside, key=lambda one: one[0]) if not _undoes(row)]


def _undoes(row: Row) -> bool:
    return row.spec.group is not None and row.spec.group.undoes


def to_undo(row: Row) -> bool:
    """Whether a member did anything that can be undone."""
    named = {one.name for one in row.spec.phases if one.undo is not None}
    return row.ghost.outcome is Status.COMPLETED and bool(named & row.ghost.done)


def is_undone(rows: tuple[Row, ...], origin: Row) -> bool:
    """Whether some job has undone all that ``origin`` did."""
    named = {one.name for one in origin.spec.phases if one.undo is not None}
    return any(
        row.spec.origin is not None
        and row.spec.origin.job_id == origin.id
        and row.ghost.undone >= named & origin.ghost.done
        for row in rows
    )


def admitted(commit: Commit, event: e.Submitted) -> None:
    """S12: what a job did is undone, or carried on, by one other job."""
    origin = event.spec.origin
    if origin is None or origin.mode is RetryMode.FROM_START:
        return
    others = [
        row
        for row in commit.rows
        if row.spec.origin is not None
        and row.spec.origin.job_id == origin.job_id
        and row.spec.origin.mode is not RetryMode.FROM_START
    ]
    commit.require(not others, "S12", f"what {origin.job_id} did is taken over twice")


def undoes(commit: Commit, row: Row) -> None:
    """S12: members are undone in reverse order, and only once all of them have ended."""
    if row.spec.group is None or not row.spec.group.undoes:
        return
    rows = tuple(commit.rows)
    for index, one in enumerate(members(rows, row.spec.group.group_id)):
        commit.require(one.quiet, "S12", f"an undo begins while {one.id} goes on")
        blocks = index > row.spec.group.index and one.ghost.outcome is Status.QUARANTINED
        commit.require(not blocks, "S12", f"an undo begins before what {one.id} owes is undone")
        later = index > row.spec.group.index and to_undo(one)
        done = not later or is_undone(rows, one)
        commit.require(done, "S12", f"an undo begins before that of {one.id}, which came later")


def deleted(commit: Commit, row: Row) -> None:
    """S22: what others still need is kept."""
    for one in commit.rows:
        waits = any(parent.parent == row.id for parent in one.spec.dependencies)
        commit.require(one.quiet or not waits, "S22", f"{row.id} is deleted, {one.id} needs it")
    group = commit.groups.get(row.spec.group.group_id) if row.spec.group else None
    over = group is None or group.outcome is not None
    commit.require(over, "S22", f"{row.id} is deleted before its group has ended")


def replaced(commit: Commit, row: Row, reason: str) -> None:
    """S17: a job for which others wait is not replaced: they would wait for what never runs."""
    if not reason.startswith("replaced by"):
        return
    for one in commit.world.rows:
        waits = any(parent.parent == row.id for parent in one.spec.dependencies)
        pending = one.stored is not None and isinstance(one.stored.job.state, Pending)
        awaited = waits and pending
        commit.require(not awaited, "S17", f"{row.id} is replaced, and {one.id} waits for it")


def ended(commit: Commit, row: GroupRow, outcome: Status) -> None:
    """S13: a group has one end, and it is true."""
    group, rows = row.group, tuple(commit.rows)
    mine = members(rows, group.id)
    commit.require(row.outcome is None, "S1", f"{group.id} has ended twice")
    every = [one for one in rows if one.spec.group and one.spec.group.group_id == group.id]
    quiet = len(mine) == group.size and all(one.ghost.outcome for one in every)
    commit.require(quiet, "S13", f"{group.id} has ended while a job of it goes on")
    reached = {one.ghost.outcome for one in every}
    well = all(one.ghost.outcome is Status.COMPLETED for one in mine)
    commit.require((outcome is Status.COMPLETED) is well, "S13", f"{group.id} is not {outcome}")
    if not group.compensate:
        commit.require(outcome in reached or well, "S13", f"no member of {group.id} is {outcome}")
        return
    left = [one for one in mine if to_undo(one) and not is_undone(rows, one)]
    owed = Status.QUARANTINED in reached or (bool(left) and not well)
    wrong = f"{group.id} is {outcome}, but owes {len(left)} undos of members"
    commit.require((outcome is Status.QUARANTINED) is owed, "S13", wrong)


def broken(world: World) -> Iterator[Violation]:
    """What does not hold between two commits."""
    yield from _left_waiting(world)
    yield from _left_standing(world)
    yield from _twice(world)


def _left_waiting(world: World) -> Iterator[Violation]:
    """L1: whose last parent has ended is settled, or somebody is reminded of it."""
    over: dict[str, Instant | None] = {}
    over.update((row.id, row.remind) for row in world.rows if row.ghost.outcome)
    over.update((row.group.id, row.remind) for row in world.groups if row.outcome)
    for row in world.rows:
        if row.stored is None or not isinstance(row.stored.job.state, Pending):
            continue
        for parent in row.stored.job.state.unsettled:
            owed = parent not in over or _due(over[parent], world)
            if not owed:
                yield Violation("L1", f"{row.id} waits for {parent}, which has ended, for ever")


def _due(at: Instant | None, world: World) -> bool:
    return at is not None and at <= world.now


def _left_standing(world: World) -> Iterator[Violation]:
    """L5, S9: a group goes on while it has anything to do, and stops whom it says it has."""
    for row in world.groups:
        group, state, mine = row.group, row.group.state, members(world.rows, row.group.id)
        over = all(one.ghost.outcome for one in mine)
        busy = isinstance(state, Undoing) and state.job_id is not None
        if row.outcome is None and over and not busy and not _due(row.remind, world):
            yield Violation("L5", f"all members of {group.id} have ended, and it does not go on")
        for one in mine[: state.cursor] if isinstance(state, Stopping) else ():
            if not one.ghost.asked and not one.quiet and one.ghost.held:
                yield Violation("S9", f"{group.id} has not stopped {one.id}")
            if not one.quiet and not one.ghost.held and not one.ghost.asked and _fresh(one):
                yield Violation("S9", f"{group.id} has not stopped {one.id}")


def _fresh(row: Row) -> bool:
    return row.stored is not None and not row.stored.job.undos


def _twice(world: World) -> Iterator[Violation]:
    """S17: at most one job stands for a constraint."""
    standing: dict[str, list[Row]] = {}
    for row in world.rows:
        unique = row.spec.unique
        if unique is None:
            continue
        if stands(row, world) and not _replaced(row):
            standing.setdefault(unique.name, []).append(row)
    for name, rows in standing.items():
        if len(rows) > 1:
            yield Violation("S17", f"{len(rows)} jobs stand for {name!r}")


def stands(row: Row, world: World) -> bool:
    """Whether a job stands for its constraint, so that no other may."""
    assert row.spec.unique is not None
    ghost, until = row.ghost, row.spec.unique.until
    if until is Until.EXPIRED:
        return ghost.stands_until is not None and ghost.stands_until > world.now
    if until is Until.FOREVER:
        return True
    return ghost.outcome is None and not (until is Until.STARTED and ghost.started)


def _replaced(row: Row) -> bool:
    return row.ghost.outcome is Status.CANCELLED and not row.ghost.started
