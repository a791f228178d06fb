"""Whether a living job can take another shape without losing anything, and the job that has it.

What has completed stays completed, with its result and the duty to undo it (S11, S12, S13); what
may have happened stays so. A phase is the same one as long as it goes by the same name
(:attr:`~parcae.spec.PhaseSpec.goes_by`), whatever it is called today.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from attrs import evolve as replace

from parcae.phrases import listed
from parcae.shape import Moves, Reshaped, Shape
from parcae.spec import Carried, PhaseSpec
from parcae.state import Compensating, Job, Phase, PhaseStatus
from parcae.values import MAX_PHASES

Phases = tuple[PhaseSpec, ...]


def apply(job: Job, shape: Reshaped) -> Job:
    """The job in its new shape: each phase with what the record says of it, the new ones without.

    Whoever calls this has asked :func:`fault` before.
    """
    known = {spec.goes_by: one for spec, one in zip(job.spec.phases, job.phases, strict=True)}
    state, phases = job.state, shape.phases
    fresh = Phase()
    if isinstance(state, Compensating):
        fresh = Phase(status=PhaseStatus.SKIPPED)
        today = {spec.goes_by: spec.name for spec in phases}
        called = {spec.name: today.get(spec.goes_by, spec.name) for spec in job.spec.phases}
        undos = tuple(replace(one, phase=called[one.phase]) for one in state.undos)
        state = replace(state, undos=undos)
    return replace(
        job,
        spec=replace(job.spec, definition=shape.definition, phases=phases),
        phases=tuple(known.get(spec.goes_by, fresh) for spec in phases),
        state=state,
        reshaped=shape,
    )


def again(job: Job, carried: Collection[Carried], *, whole: bool) -> Phases:
    """The phases of a job that takes up the ended ``job``, ``whole`` or where that got to.

    What it only kept, for it had happened, is not done once more: its code may be gone.
    """
    shape = job.reshaped
    if shape is None:
        return job.spec.phases
    names = {spec.name for spec in shape.whole} | {one.phase for one in carried}
    return shape.whole if whole else tuple(one for one in job.spec.phases if one.name in names)


def proposed(job: Job, now: Shape, moves: Moves) -> Phases:
    """The phases that ``job`` would have in the shape of today; :func:`fault` judges them.

    Those of today in their order, and what is kept behind the one that it followed.

    Raises:
        ValueError: the moves do not say what has become of something that has happened, or name
            what is not there.
    """
    _refuse_unknown(job, now, moves)
    renamed, stood = dict(moves.renamed), dict(_stood(job))
    ours = {spec.name: spec for spec in job.spec.phases}
    todays = {spec.name for spec in now.phases}
    came_from = {name: name for name in (ours.keys() & todays) - renamed.keys()}
    came_from |= {new: old for old, new in renamed.items()}
    kept = {name for name in moves.kept if name in stood and name not in renamed}
    for name in stood:
        if name not in kept and came_from.get(renamed.get(name, name)) != name:
            raise ValueError(f"it has done phase {name!r}, or may have: say what that is today")
    undoing = isinstance(job.state, Compensating)
    placed = [
        ours[spec.name]
        if spec.name in kept
        else _taken(spec, ours.get(came_from.get(spec.name, "")), undoing=undoing)
        for spec in now.phases
    ]
    for name in (one for one in stood if one in kept - todays):
        placed.insert(_behind(job, placed, name), ours[name])
    return tuple(_without_passed(job, placed, moves))


def _refuse_unknown(job: Job, now: Shape, moves: Moves) -> None:
    ours = {spec.name for spec in job.spec.phases}
    todays = {spec.name for spec in now.phases}
    wrong = {*(old for old, _ in moves.renamed), *moves.kept} - ours
    if wrong:
        raise ValueError(f"the job has no phase {listed(map(repr, sorted(wrong)))}")
    wrong = {*(new for _, new in moves.renamed), *moves.passed} - todays
    if wrong:
        raise ValueError(f"there is no phase {listed(map(repr, sorted(wrong)))} today")


def _taken(spec: PhaseSpec, old: PhaseSpec | None, *, undoing: bool) -> PhaseSpec:
    """A phase of today, which may stand for an old one."""
    if old is None:
        return spec
    # While it undoes, what is to be undone is settled: no duty comes to it any more.
    undo = None if undoing and old.undo is None else spec.undo
    known_as = "" if old.goes_by == spec.name else old.goes_by
    return PhaseSpec(name=spec.name, undo=undo, known_as=known_as)


def _behind(job: Job, placed: list[PhaseSpec], name: str) -> int:
    """Where a kept phase stands: behind what it followed, among all that has happened."""
    names = [spec.goes_by for spec in placed]
    index = 0
    for spec in job.spec.phases:
        if spec.name == name:
            break
        if spec.goes_by in names:
            index = max(index, names.index(spec.goes_by) + 1)
    return index


def _without_passed(job: Job, placed: list[PhaseSpec], moves: Moves) -> Iterator[PhaseSpec]:
    known = {spec.goes_by for spec, _ in _standing(job)}
    last = max((i for i, spec in enumerate(placed) if spec.goes_by in _completed(job)), default=-1)
    for index, spec in enumerate(placed):
        if index > last or spec.goes_by in known or spec.name not in moves.passed:
            yield spec


def fault(job: Job, phases: Phases) -> str | None:
    """What would be lost if ``job`` had these phases; ``None``: nothing."""
    if not 1 <= len(phases) <= MAX_PHASES:
        return f"expected 1 to {MAX_PHASES} phases, got {len(phases)}"
    return _ambiguous(phases) or _lost(job, phases) or _disordered(job, phases)


def _ambiguous(phases: Phases) -> str | None:
    """Results and idempotency keys go by names: none may be those of two phases."""
    seen: set[str] = set()
    for spec in phases:
        names = {spec.name, spec.goes_by}
        if names & seen:
            return f"the name of phase {min(names & seen)!r} would be that of two phases"
        seen |= names
    return None


def _lost(job: Job, phases: Phases) -> str | None:
    """A phase that has happened, or may have, and is not there; or whose undo is not."""
    today = {spec.goes_by: spec for spec in phases}
    undoing = isinstance(job.state, Compensating)
    for old, one in _standing(job):
        new = today.get(old.goes_by)
        if new is None:
            return f"phase {old.name!r} has happened, or may have, and would be gone"
        if old.undo is not None and new.undo is None:
            return f"phase {new.name!r} is to be undone, and would have no undo"
        if undoing and old.undo is None and new.undo is not None:
            return f"what is to be undone is settled, and phase {new.name!r} is not among it"
        if one.maybe and old.undo and old.undo.unknown and new.undo and not new.undo.unknown:
            return f"nobody knows whether {new.name!r} happened, and its undo could not handle that"
    return None


def _disordered(job: Job, phases: Phases) -> str | None:
    """Undos run in the reverse order, so that what has happened keeps its own."""
    stood = [old.goes_by for old, _ in _standing(job)]
    there = [spec.goes_by for spec in phases if spec.goes_by in stood]
    if there != stood:
        return "what has happened would stand in another order than it did"
    if isinstance(job.state, Compensating):
        return None
    done = _completed(job)
    last = max((i for i, spec in enumerate(phases) if spec.goes_by in done), default=-1)
    for spec in phases[: last + 1]:
        if spec.goes_by not in stood:
            return (
                f"phase {spec.name!r} comes before {phases[last].name!r}, which is done: "
                "say that it is passed, or put it later"
            )
    if all(spec.goes_by in done for spec in phases):
        return "nothing would be left for it to do"
    return None


def _standing(job: Job) -> Iterator[tuple[PhaseSpec, Phase]]:
    """What has happened or may have, in the order of the job."""
    for spec, one in zip(job.spec.phases, job.phases, strict=True):
        if one.status is PhaseStatus.COMPLETED or one.maybe:
            yield spec, one


def _stood(job: Job) -> Iterator[tuple[str, Phase]]:
    return ((spec.name, one) for spec, one in _standing(job))


def _completed(job: Job) -> frozenset[str]:
    done = PhaseStatus.COMPLETED
    return frozenset(spec.goes_by for spec, one in _standing(job) if one.status is done)
