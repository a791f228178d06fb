"""Steps that look at several jobs at once: claims out of a line, and manual retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve as replace
from attrs import frozen

from parcae import admit
from parcae import commands as c
from parcae import handle as rules
from parcae.admission import offer
from parcae.change import Change, KeyRow, View
from parcae.context import PAYLOAD, result_name
from parcae.errors import Rejected, Superseded
from parcae.ports import Claimable
from parcae.spec import RetryMode
from parcae.state import Job, Scheduled, Stored
from parcae.values import Instant, JobId, Place
from parcae_specs.explorer.cell import Cell, Ghost
from parcae_specs.explorer.step import Step, observe, raised, refused
from parcae_specs.explorer.watch import Violation


@frozen(kw_only=True)
class Granted:
    """What a claim came to: the job it granted, or none."""

    slot: int = -1
    step: Step | None = None
    broken: tuple[Violation, ...] = ()


def job_name(slot: int) -> JobId:
    """The name of the job in a slot."""
    return JobId(f"job-{slot + 1}")


def claim(cells: Sequence[Cell], command: c.Claim, now: Instant, place: Place) -> Granted:
    """Put a claim to all jobs in line, as a store does: the rule chooses."""
    kinds = frozenset(cell.stored.job.spec.kind for cell in cells if cell.stored is not None)
    jobs = _claimable(cells, command, now)
    view = View(now=now, place=place, seed=0, jobs=jobs)
    try:
        changes = rules.claim(view, command, kinds=kinds, queues=None, limit=1)
    except (Rejected, Superseded) as error:
        return Granted(broken=raised(Cell(), error).broken)
    except Exception as error:  # noqa: BLE001 - whatever else it raises is the finding
        return Granted(broken=raised(Cell(), error).broken)
    if not changes:
        return Granted()
    change = changes[0]
    slot = next(i for i in range(len(cells)) if job_name(i) == change.job_id)
    step = observe(cells[slot], command, change, now, place)
    unfair = _out_of_turn(cells, slot, now) if change.events else ()
    return Granted(slot=slot, step=step, broken=(*step.broken, *unfair))


def _claimable(cells: Sequence[Cell], command: c.Claim, now: Instant) -> Mapping[JobId, Stored]:
    """What :class:`~parcae.ports.Claimable` names, as its docstring says."""
    Claimable(worker=command.worker, request=command.request, kinds=frozenset())
    found: dict[JobId, Stored] = {}
    for slot, cell in enumerate(cells):
        if cell.stored is None:
            continue
        waiting, lease = offer(cell.stored.job), cell.stored.job.lease
        offered = waiting is not None and waiting.at <= now
        if waiting is not None and waiting.until is not None and waiting.until <= now:
            offered = False
        if offered or (lease is not None and lease.request == command.request):
            found[job_name(slot)] = cell.stored
    return found


def _out_of_turn(cells: Sequence[Cell], slot: int, now: Instant) -> tuple[Violation, ...]:
    """S7: nobody starts before one that stood in line earlier, was due and is of its priority."""
    mine = cells[slot].stored
    assert mine is not None
    if not isinstance(mine.job.state, Scheduled):
        return ()
    for other in cells:
        theirs = other.stored
        if theirs is None or theirs is mine or not isinstance(theirs.job.state, Scheduled):
            continue
        due = theirs.job.state.ready_at <= now and _still_open(theirs, now)
        first = (-theirs.job.spec.priority, theirs.job.place)
        if due and first < (-mine.job.spec.priority, mine.job.place):
            return (Violation("S7", f"{mine.job.id} started before {theirs.job.id}"),)
    return ()


def _still_open(stored: Stored, now: Instant) -> bool:
    waiting = offer(stored.job)
    return waiting is not None and (waiting.until is None or waiting.until > now)


def retry(cells: Sequence[Cell], slot: int, mode: RetryMode, fresh: int, now: Instant) -> Step:
    """Ask for a manual retry of the ended job in ``slot``, to be put into the slot ``fresh``."""
    origin = cells[slot]
    assert origin.stored is not None
    view = _retry_view(origin.stored, origin.ghost, now)
    try:
        change = admit.retry(view, origin.stored.job.id, mode)
    except (Rejected, Superseded) as refusal:
        return refused(origin, c.Reconcile(), refusal)
    except Exception as error:  # noqa: BLE001 - whatever else it raises is the finding
        return raised(origin, error)
    assert change.job is not None
    command = c.Submit(spec=change.job.spec)
    step = observe(Cell(), command, change, now, view.place)
    broken = (*step.broken, *_taken_over(origin, change, mode))
    assert step.cell.stored is not None
    job = _called(step.cell.stored.job, job_name(fresh))
    ghost = replace(step.cell.ghost, alive_until=origin.ghost.alive_until)
    cell = Cell(stored=Stored(job=job), ghost=ghost)
    return replace(step, cell=cell, broken=broken)


def _called(job: Job, name: JobId) -> Job:
    """The job by the name of its slot, which is also what a retry from the start is rooted in."""
    origin = job.spec.origin
    if origin is not None and origin.root == job.id:
        job = replace(job, spec=replace(job.spec, origin=replace(origin, root=name)))
    return replace(job, id=name)


def _retry_view(origin: Stored, ghost: Ghost, now: Instant) -> View:
    job = origin.job
    names = (PAYLOAD, *(result_name(phase.name) for phase in job.spec.phases))
    key = admit.carry_key(job.id)
    keys = {key: KeyRow(key=key, fingerprint="", job_id=job.id)} if ghost.carried else {}
    return View(
        now=now,
        place=Place(9),
        seed=0,
        jobs={job.id: origin},
        keys=keys,
        blobs={(job.id, name): b"1" for name in names},
    )


def _taken_over(origin: Cell, change: Change, mode: RetryMode) -> tuple[Violation, ...]:
    """S11, S12: what the origin did is carried on or undone once, all of it and nothing else."""
    assert change.job is not None
    ghost, spec = origin.ghost, change.job.spec
    broken: list[Violation] = []
    if mode is not RetryMode.FROM_START and ghost.carried:
        broken.append(Violation("S12", "what the origin did is taken over a second time"))
    undoable = sum(1 << i for i, one in enumerate(spec.phases) if one.undo is not None)
    stands = ghost.done & ~ghost.undone
    cut = ghost.cut & ~ghost.undone
    taken = _mask(change, completed=True), _mask(change, completed=False)
    wanted = {
        RetryMode.FROM_START: (0, 0),
        RetryMode.RESUME: (stands, cut),
        RetryMode.UNDO: (stands & undoable, cut & undoable),
    }[mode]
    if mode is RetryMode.RESUME and taken[0] | taken[1] != wanted[0] | wanted[1]:
        broken.append(Violation("S11", "a resumed job does not take over what was done"))
    if mode is RetryMode.UNDO and taken[0] | taken[1] != wanted[0] | wanted[1]:
        broken.append(Violation("S12", "an undo does not take over exactly what is owed"))
    return tuple(broken)


def _mask(change: Change, *, completed: bool) -> int:
    submitted = change.events[0]
    carried = {one.phase: one.completed for one in getattr(submitted, "carried", ())}
    assert change.job is not None
    return sum(
        1 << i for i, one in enumerate(change.job.spec.phases) if carried.get(one.name) is completed
    )
