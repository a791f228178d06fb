"""How a job that exists differs from what its definition says today (rule 14 of the lifecycle).

A job keeps the phases it was admitted with. Whether it can still be run is a question of handlers;
whether it should be is one that only the author of the definition can answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen

from parcae.commands import Migrate
from parcae.compensation import still_owed
from parcae.phrases import listed
from parcae.reshape import apply, fault, proposed
from parcae.shape import Reshaped, Shape
from parcae.spec import PhaseSpec, Spec
from parcae.state import Compensating, Ended, Job, PhaseStatus


class Changed(StrEnum):
    """What becomes of living jobs whose phases are not those of today's definition.

    ``REFUSE``: nobody has chosen, and a worker does not start. ``FINISH``: they run as they were
    admitted. ``QUARANTINE``: nobody runs them, and a person is told what they owe. ``MIGRATE``:
    they take the shape of today, as the definition's functions say; where something would be lost
    by it, or there is no function for their version, they finish as with ``FINISH``.
    """

    REFUSE = "refuse"
    FINISH = "finish"
    QUARANTINE = "quarantine"
    MIGRATE = "migrate"


class DifferenceKind(StrEnum):
    """What can have become of phases. One that is renamed is gone, and a new one is there."""

    ADDED = "added"
    REMOVED = "removed"
    REORDERED = "reordered"
    UNDO_ADDED = "undo added"
    UNDO_REMOVED = "undo removed"
    UNDO_CHANGED = "undo changed"


@frozen(kw_only=True)
class Difference:
    """One difference between the shape of a job and that of its definition.

    Attributes:
        kind: which.
        phase: of which phase; empty: of all.
        job: what the job has, in words.
        now: what the definition has, in words.
        means: what follows for the job if it runs as it was admitted.
    """

    kind: DifferenceKind
    phase: str
    job: str
    now: str
    means: str

    def __str__(self) -> str:
        """Both sides, and what it means."""
        return f"{self.sides}: {self.means}"

    @property
    def sides(self) -> str:
        """Both sides."""
        return f"the job has {self.job}, the definition {self.now}"


def shape_of(spec: Spec) -> Shape:
    """The shape that a job was admitted with."""
    return Shape(version=spec.definition, phases=spec.phases)


def differences(job: Shape, now: Shape) -> tuple[Difference, ...]:
    """How ``job`` differs from ``now``; nothing: it runs as it would be admitted today.

    The retries of an undo are no difference, nor is the version alone: whether arguments that were
    kept still fit a handler that has changed nobody can tell from here.
    """
    return (*_gone_and_new(job, now), *_order(job, now), *_undos(job, now))


def _names(shape: Shape) -> tuple[str, ...]:
    return tuple(phase.name for phase in shape.phases)


def _gone_and_new(job: Shape, now: Shape) -> Iterator[Difference]:
    ours, todays = _names(job), _names(now)
    for name in (one for one in ours if one not in todays):
        yield Difference(
            kind=DifferenceKind.REMOVED,
            phase=name,
            job=f"a phase {name!r}",
            now="has none of that name",
            means="it runs only where its old handler is kept",
        )
    for name in (one for one in todays if one not in ours):
        yield Difference(
            kind=DifferenceKind.ADDED,
            phase=name,
            job=f"no phase {name!r}",
            now="has one",
            means="this job never runs it",
        )


def _order(job: Shape, now: Shape) -> Iterator[Difference]:
    ours, todays = _names(job), _names(now)
    before = [name for name in ours if name in todays]
    after = [name for name in todays if name in ours]
    if before != after:
        yield Difference(
            kind=DifferenceKind.REORDERED,
            phase="",
            job=f"the order {', '.join(before)}",
            now=f"has {', '.join(after)}",
            means="this job goes on in its own order",
        )


def _undos(job: Shape, now: Shape) -> Iterator[Difference]:
    todays = {phase.name: phase for phase in now.phases}
    for ours in job.phases:
        other = todays.get(ours.name)
        if other is None:
            continue
        kind = _of_undo(ours, other)
        if kind is not None:
            yield Difference(
                kind=kind,
                phase=ours.name,
                job=f"{_undo(ours)} for phase {ours.name!r}",
                now=f"has {_undo(other)}",
                means=_MEANS[kind],
            )


_MEANS = {
    DifferenceKind.UNDO_ADDED: "this job leaves that phase as it is when it does not complete",
    DifferenceKind.UNDO_REMOVED: "it is undone only where its old undo is kept",
    DifferenceKind.UNDO_CHANGED: "its undo may be called for what it cannot handle, or not at all",
}


def _of_undo(job: PhaseSpec, now: PhaseSpec) -> DifferenceKind | None:
    if job.undo is None or now.undo is None:
        if job.undo is now.undo:
            return None
        return DifferenceKind.UNDO_ADDED if job.undo is None else DifferenceKind.UNDO_REMOVED
    return None if job.undo.unknown == now.undo.unknown else DifferenceKind.UNDO_CHANGED


def _undo(phase: PhaseSpec) -> str:
    if phase.undo is None:
        return "no undo"
    return "an undo" + " that can handle not knowing" * phase.undo.unknown


@frozen(kw_only=True)
class Handlers:
    """What one worker has handlers for, those kept for old jobs included.

    Attributes:
        phases: these phases.
        undos: the undos of these.
    """

    phases: frozenset[str] = frozenset()
    undos: frozenset[str] = frozenset()


def lacks(job: Job, handlers: Handlers) -> tuple[str, ...]:
    """The handlers that the rest of this job's life may need and that are not there, in words.

    A completed phase is never run again (S11), so its handler is not needed; its undo is, until
    the job has ended (S12, S13).
    """
    phases, undos = needs(job)
    return (
        *(f"phase {name!r}" for name in phases if name not in handlers.phases),
        *(f"the undo of {name!r}" for name in undos if name not in handlers.undos),
    )


def needs(job: Job) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The phases that may still run, and those whose undo may."""
    state = job.state
    if isinstance(state, Ended):
        return (), ()
    if isinstance(state, Compensating):
        return (), tuple(one.phase for one in still_owed(state.undos))
    pairs = tuple(zip(job.spec.phases, job.phases, strict=True))
    left = (spec.name for spec, one in pairs if one.status is not PhaseStatus.COMPLETED)
    return tuple(left), tuple(spec.name for spec, _ in pairs if spec.undo is not None)


class Verdict(StrEnum):
    """What a worker does with a job that it was given."""

    RUN = "run"
    GIVE_BACK = "give back"
    QUARANTINE = "quarantine"
    MIGRATE = "migrate"


@frozen(kw_only=True)
class Fit:
    """How one job fits what one worker has.

    Attributes:
        verdict: what that worker does with it.
        differences: between its shape and that of the definition.
        lacks: the handlers it may need and that are not there, in words.
        broken: what is wrong with the function that should migrate it; empty: nothing.
    """

    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    lacks: tuple[str, ...] = ()
    broken: str = ""

    def __str__(self) -> str:
        """Why it is not simply run; empty: it is."""
        if self.broken:
            return self.broken
        if self.lacks:
            return f"there is no handler for {listed(self.lacks)}"
        return "; ".join(map(str, self.differences))


def differs(job: Job, now: Shape) -> tuple[Difference, ...]:
    """How ``job`` differs from ``now``; one that was migrated to it does not, whatever it keeps."""
    if job.reshaped is not None and job.spec.definition == now.version:
        return ()
    return differences(shape_of(job.spec), now)


def migrated(job: Job, command: Migrate | None) -> Job | str | None:
    """The job as ``command`` would leave it; why it cannot; ``None``: nobody asks.

    Whether somebody holds the job is left out: it will be free, with no phase in work.
    """
    if command is None:
        return None
    try:
        phases = proposed(job, command.now, command.moves)
    except ValueError as error:
        return str(error)
    version, whole = command.now.version, command.now.phases
    shape = Reshaped(definition=version, phases=phases, whole=whole)
    return fault(job, phases) or apply(job, shape)


def fit(
    job: Job, now: Shape, handlers: Handlers, choice: Changed, command: Migrate | None = None
) -> Fit:
    """What a worker does with ``job``: never something else than what is on record for it.

    A job that takes up another was asked for by somebody after all that: it is run if it can be,
    or what a quarantined job owes could never be undone. One that ``command`` can migrate is.
    """
    after = migrated(job, command)
    if isinstance(after, Job):
        found, missing = differs(job, now), lacks(after, handlers)
        verdict = Verdict.GIVE_BACK if missing else Verdict.MIGRATE
        return Fit(verdict=verdict, differences=found, lacks=missing)
    found, missing = differs(job, now), lacks(job, handlers)
    verdict = Verdict.GIVE_BACK if missing else Verdict.RUN
    if found and choice is Changed.QUARANTINE and job.spec.origin is None:
        verdict = Verdict.QUARANTINE
    return Fit(verdict=verdict, differences=found, lacks=missing)
