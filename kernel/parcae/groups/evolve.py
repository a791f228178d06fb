"""Group, event → group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from attrs import evolve as replace

from parcae.errors import Corrupt
from parcae.groups.events import (
    GroupCancelRequested,
    GroupEnded,
    GroupEvent,
    GroupOpened,
    GroupStopped,
    MemberEnded,
    MembersCancelled,
    MemberUndone,
    UndoSubmitted,
    UndoSurveyed,
)
from parcae.groups.state import Ended, Group, Open, Stopping, Undoing
from parcae.values import GroupId, Status, Version


def fold(group_id: GroupId, events: Iterable[GroupEvent]) -> Group | None:
    """The group after ``events``.

    Raises:
        Corrupt: no run of this kernel can have written this history.
    """
    group: Group | None = None
    for event in events:
        group = evolve(group_id, group, event)
    return group


def evolve(group_id: GroupId, group: Group | None, event: GroupEvent) -> Group:
    """The group after ``event``.

    Raises:
        Corrupt: the event cannot follow this state.
    """
    if group is None:
        return _opened(group_id, event)
    if isinstance(group.state, Ended):
        raise Corrupt(f"{type(event).__name__} cannot follow the end of {group_id}")
    return replace(_apply(group, event), version=Version(group.version + 1))


def _opened(group_id: GroupId, event: GroupEvent) -> Group:
    if not isinstance(event, GroupOpened):
        raise Corrupt(f"{type(event).__name__} cannot begin a history of a group")
    return Group(
        id=group_id,
        version=Version(1),
        opened_at=event.at,
        seed=event.seed,
        size=event.size,
        compensate=event.compensate,
        label=event.label,
    )


def _apply(group: Group, event: GroupEvent) -> Group:
    match event:
        case MemberEnded():
            if not group.left:
                raise Corrupt(f"{group.id} has {group.size} members, and one more has ended")
            return replace(group, ended=_counted(group.ended, event.outcome))
        case GroupCancelRequested():
            return replace(group, cancelled=True)
        case GroupStopped():
            _require(isinstance(group.state, Open), group, event)
            state = Stopping(since=event.at)
            return replace(group, state=state, trigger=event.trigger)
        case MembersCancelled():
            _require(isinstance(group.state, Stopping), group, event)
            return replace(group, state=Stopping(since=event.at, cursor=event.cursor))
        case GroupEnded():
            return replace(group, state=Ended(status=event.outcome, at=event.at))
        case UndoSurveyed() | UndoSubmitted() | MemberUndone():
            return _undoing(group, event)
        case GroupOpened():
            raise Corrupt(f"{group.id} is open already")
        case _:
            assert_never(event)


def _undoing(group: Group, event: UndoSurveyed | UndoSubmitted | MemberUndone) -> Group:
    _require(group.left == 0, group, event)
    state, at = group.state, event.at
    match event:
        case UndoSurveyed():
            return replace(group, state=Undoing(since=at, cursor=event.cursor))
        case UndoSubmitted():
            undoing = Undoing(since=at, cursor=event.member, job_id=event.job_id)
            return replace(group, state=undoing)
        case MemberUndone():
            busy = isinstance(state, Undoing) and state.job_id == event.job_id
            _require(busy, group, event)
            assert isinstance(state, Undoing)
            counted = _counted(group.undone, event.outcome)
            return replace(group, undone=counted, state=Undoing(since=at, cursor=state.cursor))
        case _:
            assert_never(event)


def _counted(counts: Mapping[Status, int], outcome: Status) -> Mapping[Status, int]:
    more = {**counts, outcome: counts.get(outcome, 0) + 1}
    # In the order of the enumeration, whatever came first: the same counts are the same value.
    return {status: more[status] for status in Status if status in more}


def _require(condition: bool, group: Group, event: GroupEvent) -> None:
    if not condition:
        state = type(group.state).__name__
        raise Corrupt(f"{type(event).__name__} cannot follow while {group.id} is {state}")
