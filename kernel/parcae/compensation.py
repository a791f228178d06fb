"""What has to be undone, and in which order."""

from __future__ import annotations

from attrs import frozen

from parcae.spec import Carried, Owed
from parcae.state import Job, PhaseStatus, Undo, UndoStatus


@frozen
class Plan:
    """What a job that will not complete has to undo.

    Attributes:
        owed: in the order in which it is to be done.
        possible: nothing stands in the way; otherwise the first is of a phase of which nobody
            knows whether it happened, and its undo cannot handle that.
    """

    owed: tuple[Owed, ...]
    possible: bool


def plan(job: Job, interrupted: str | None) -> Plan:
    """What ``job`` owes when it ends now, ``interrupted`` being the phase that is cut off by it.

    Reverse order of completion. A phase that raised has not happened in that attempt; one that was
    ever cut off may have happened until it completes (rule 6 of the lifecycle).
    """
    owed: list[Owed] = []
    possible = True
    for spec, phase in zip(reversed(job.spec.phases), reversed(job.phases), strict=True):
        if spec.undo is None:
            continue
        if phase.status is PhaseStatus.COMPLETED:
            owed.append(Owed(phase=spec.name))
        elif phase.maybe or spec.name == interrupted:
            owed.append(Owed(phase=spec.name, unknown=True))
            possible = possible and spec.undo.unknown
    return Plan(tuple(owed), possible)


def carry(job: Job) -> tuple[Carried, ...]:
    """What a resumed job takes over from the ended ``job``: phases completed and not undone.

    A phase that was cut off, or whose undo was, may or may not stand: it is taken over as unknown.
    """
    undos = {undo.phase: undo for undo in job.undos}
    carried: list[Carried] = []
    for spec, phase in zip(job.spec.phases, job.phases, strict=True):
        undo = undos.get(spec.name)
        if undo is not None and undo.status is UndoStatus.DONE:
            continue
        if phase.maybe or (undo is not None and undo.interrupted):
            carried.append(Carried(phase=spec.name, completed=False))
        elif phase.status is PhaseStatus.COMPLETED:
            carried.append(Carried(phase=spec.name, result=phase.result))
    return tuple(carried)


def settled_by_hand(job: Job) -> tuple[str, ...]:
    """The phases whose undo is owed and cannot be done: only a person can find out about them."""
    undos = {spec.name: spec.undo for spec in job.spec.phases}
    return tuple(
        one.phase
        for one in still_owed(job.undos)
        if one.unknown and (undo := undos[one.phase]) is not None and not undo.unknown
    )


def still_owed(undos: tuple[Undo, ...]) -> tuple[Owed, ...]:
    """The undos that are not done, in their order."""
    return tuple(
        Owed(phase=undo.phase, unknown=undo.unknown)
        for undo in undos
        if undo.status is not UndoStatus.DONE
    )
