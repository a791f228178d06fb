"""One group as its events leave it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, frozen

from parcae.values import GroupId, Instant, JobId, Status, Version, job_id, mix


@frozen(kw_only=True)
class Open:
    """Its members go their way."""


@frozen(kw_only=True)
class Stopping:
    """Its members are being cancelled: ``cursor`` is the first that has not been yet."""

    since: Instant
    cursor: int = 0


@frozen(kw_only=True)
class Undoing:
    """What completed members did is being undone, the last first.

    ``cursor``: members below it have not been looked at yet. ``job_id``: the job that undoes one
    now; ``None``: the next is to be found.
    """

    since: Instant
    cursor: int
    job_id: JobId | None = None


@frozen(kw_only=True)
class Ended:
    """Over, with one outcome for all."""

    status: Status
    at: Instant


GroupState = Open | Stopping | Undoing | Ended


@frozen(kw_only=True)
class Group:
    """A graph or a batch.

    Attributes:
        id: its name for ever.
        version: how many events it has.
        opened_at: when it was admitted.
        seed: what its members' ids are made from.
        size: how many members it has.
        compensate: one bad end stops the rest, and what completed members did is undone.
        label: what its submitter called it.
        state: where it stands.
        ended: how many members ended with which status.
        undone: how many jobs that undo a member ended with which status.
        cancelled: somebody asked for a cancel of all of it.
        trigger: the member whose bad end stopped the rest.
    """

    id: GroupId
    version: Version
    opened_at: Instant
    seed: int
    size: int
    compensate: bool = False
    label: str = ""
    state: GroupState = Factory(Open)
    ended: Mapping[Status, int] = Factory(dict)
    undone: Mapping[Status, int] = Factory(dict)
    cancelled: bool = False
    trigger: JobId | None = None

    @property
    def left(self) -> int:
        """How many members have not ended."""
        return self.size - sum(self.ended.values())

    @property
    def status(self) -> Status | None:
        """The outcome of an ended group; ``None``: it has not ended."""
        return self.state.status if isinstance(self.state, Ended) else None


@frozen(kw_only=True)
class Window:
    """Which members a group wants to see next.

    Attributes:
        first: the index of the first of them.
        ascending: those from it on upwards; otherwise downwards.
        blobs: with their blobs.
    """

    first: int
    ascending: bool
    blobs: bool


def window(group: Group) -> Window | None:
    """What ``group`` has to see in order to go on; ``None``: nothing."""
    state = group.state
    if isinstance(state, Stopping) and state.cursor < group.size:
        return Window(first=state.cursor, ascending=True, blobs=False)
    if isinstance(state, Undoing) and state.job_id is None:
        return Window(first=state.cursor - 1, ascending=False, blobs=True)
    return None


def due_at(group: Group) -> Instant | None:
    """Since when the group has to go on by itself; ``None``: it waits for its members."""
    state = group.state
    if window(group) is None or not isinstance(state, Stopping | Undoing):
        return None
    return state.since


def group_id(now: Instant, seed: int) -> GroupId:
    """A fresh name."""
    return GroupId(f"group/{job_id(now, mix('group', seed))}")


def member_id(opened_at: Instant, seed: int, index: int) -> JobId:
    """The name of the member at ``index``."""
    return job_id(opened_at, mix("member", seed, index))
