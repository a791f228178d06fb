"""What a history says about phases and undos, counted from its events alone."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import Factory, define
from attrs import evolve as replace

from parcae import events as e
from parcae.events import Event
from parcae.spec import PhaseSpec, Spec
from parcae.values import TERMINAL, Status

ENDS: dict[type[Event], Status] = {
    e.Completed: Status.COMPLETED,
    e.Failed: Status.FAILED,
    e.Cancelled: Status.CANCELLED,
    e.Compensated: Status.COMPENSATED,
    e.Quarantined: Status.QUARANTINED,
}
AUDIT = (e.Annotated, e.LateResultRecorded, e.Deleted)


@define
class Facts:
    """How far a job has come.

    Attributes:
        spec: what it was admitted with, in the shape that it has by then.
        completed: phases that happened, carried ones included.
        maybe: phases of which nobody knows.
        undone: phases whose undo succeeded, in that order.
        status: how it ended; ``None``: it has not.
    """

    spec: Spec
    completed: set[str] = Factory(set)
    maybe: set[str] = Factory(set)
    undone: list[str] = Factory(list)
    status: Status | None = None

    @property
    def needs_undo(self) -> list[str]:
        """The phases whose undo is still missing, the first to be undone first."""
        return [
            phase.name
            for phase in reversed(self.spec.phases)
            if phase.undo is not None
            and phase.name in self.completed | self.maybe
            and phase.name not in self.undone
        ]


def facts(history: Sequence[Event]) -> Facts | None:
    """What ``history`` says; ``None``: it has no beginning."""
    if not history or not isinstance(history[0], e.Submitted):
        return None
    first = history[0]
    found = Facts(spec=first.spec)
    for one in first.carried:
        (found.completed if one.completed else found.maybe).add(one.phase)
    for event in history[1:]:
        _count(found, event)
    return found


def _count(found: Facts, event: Event) -> None:
    interrupted = getattr(event, "interrupted", None)
    if isinstance(event, e.PhaseCompleted):
        found.completed.add(event.phase)
        found.maybe.discard(event.phase)
    elif isinstance(event, e.UndoCompleted):
        found.undone.append(event.phase)
    elif interrupted is not None and not found.undone and interrupted not in found.completed:
        found.maybe.add(interrupted)
    if isinstance(event, e.Migrated):
        _follow(found, event.shape.phases)
    if type(event) in ENDS:
        found.status = ENDS[type(event)]
    assert found.status is None or found.status in TERMINAL


def _follow(found: Facts, phases: tuple[PhaseSpec, ...]) -> None:
    """What is known of a phase is known of it under its new name, too."""
    today = {spec.goes_by: spec.name for spec in phases}
    names = {old.name: today.get(old.goes_by, old.name) for old in found.spec.phases}
    found.completed = {names[one] for one in found.completed}
    found.maybe = {names[one] for one in found.maybe}
    found.undone = [names[one] for one in found.undone]
    found.spec = replace(found.spec, phases=phases)
