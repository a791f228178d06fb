"""Safe next steps: only such as the kernel would take now, the best first."""

from __future__ import annotations

from collections.abc import Iterator

from parcae.compensation import plan, settled_by_hand, still_owed
from parcae.errors import Rejected
from parcae.freshness import Assessment, Freshness
from parcae.saga import resubmission
from parcae.spec import RetryMode
from parcae.state import Compensating, Ended, Job, Pending, Running, Scheduled
from parcae.values import Status
from parcae.why.values import Remedy, Surroundings
from parcae.why.waiting import bounded, lacked

WORKER = "parcae worker MODULE:JOBS"


def remedies(job: Job, trust: Assessment, around: Surroundings) -> tuple[Remedy, ...]:
    """The commands that help, the best first; the last one shows everything."""
    every = (*_helpful(job, trust, around), _show(job))
    return tuple({one.command: one for one in reversed(every)}.values())[::-1]


def _show(job: Job) -> Remedy:
    return Remedy(command=f"parcae show {job.id}", does="shows its phases and its whole history")


def _helpful(job: Job, trust: Assessment, around: Surroundings) -> Iterator[Remedy]:
    state = job.state
    if trust.word is Freshness.STALE:
        does = "settles what has fallen due, as any living worker does by the way"
        yield Remedy(command="parcae reconcile", does=does)
    match state:
        case Pending():
            yield from _look_at(state)
        case Scheduled():
            yield from _in_line(job, trust, around)
        case Compensating() if state.lease is None:
            yield from _in_line(job, trust, around)
        case Ended():
            yield from _once_ended(job, state, around)
            return
        case _:
            pass
    yield from _stop(job, state)


def _look_at(state: Pending) -> Iterator[Remedy]:
    name = state.unsettled[0]
    verb = "group show" if name.startswith("group/") else "why"
    command = f"parcae {verb} {name}"
    yield Remedy(command=command, does="says what the first that it waits for is waiting for")


def _in_line(job: Job, trust: Assessment, around: Surroundings) -> Iterator[Remedy]:
    queue, undoes = around.queue, isinstance(job.state, Compensating)
    if lacked(around):
        does = f"runs it, where the code still has all of version {job.spec.definition}"
        yield Remedy(command=WORKER, does=does)
    if queue is not None and queue.paused and not undoes:
        does = "lets jobs of its queue start again"
        yield Remedy(command=f"parcae queue resume {queue.name}", does=does)
    elif trust.word in (Freshness.LATE, Freshness.UNKNOWN) and not job.spec.external:
        does = f"starts a worker; one whose definitions have {job.spec.kind} takes it"
        yield Remedy(command=WORKER, does=does)
    standing = around.standing
    if standing is not None and standing.holders and bounded(standing):
        holder = standing.holders[0].job.id
        does = "says what the job is at that has held a slot of its line for the longest time"
        yield Remedy(command=f"parcae why {holder}", does=does)


def _stop(job: Job, state: Pending | Scheduled | Running | Compensating) -> Iterator[Remedy]:
    if isinstance(state, Compensating):
        return
    if isinstance(state, Running) and state.cancel is not None:
        does = "fences its handler off at once; an undo may then run beside it"
        yield Remedy(command=f"parcae cancel {job.id} --force", does=does)
        return
    index = job.running_phase
    owed = plan(job, None if index is None else job.spec.phases[index].name).owed
    does = "has it stopped" + ", and what it did undone" * bool(owed)
    yield Remedy(command=f"parcae cancel {job.id}", does=does)


def _once_ended(job: Job, state: Ended, around: Surroundings) -> Iterator[Remedy]:
    if around.taken_up_by is not None:
        does = "says how far the job is that has taken it up"
        yield Remedy(command=f"parcae why {around.taken_up_by}", does=does)
        return
    if state.status is Status.COMPLETED:
        return
    yield from _undo(job)
    for mode in (RetryMode.RESUME, RetryMode.FROM_START):
        if _takes(job, mode):
            command = f"parcae retry {job.id} --mode {mode}"
            yield Remedy(command=command, does=_caution(job, mode))


def _undo(job: Job) -> Iterator[Remedy]:
    """What is owed is undone first; what its undo cannot handle, a person settles by hand."""
    by_hand = settled_by_hand(job)
    if not still_owed(job.undos) or not _takes(job, RetryMode.UNDO, by_hand):
        return
    settled = "".join(f" --settled {name}" for name in by_hand)
    does = "does the undos that are owed"
    if by_hand:
        does += f", once you have found out about {', '.join(by_hand)} and put it right by hand"
    yield Remedy(command=f"parcae retry {job.id} --mode {RetryMode.UNDO}{settled}", does=does)


def _takes(job: Job, mode: RetryMode, settled: tuple[str, ...] = ()) -> bool:
    try:
        resubmission(job, mode, job_id=job.id, seed=0, settled=settled)
    except Rejected:
        return False
    return True


def _caution(job: Job, mode: RetryMode) -> str:
    doubtful = any(phase.maybe for phase in job.phases)
    if mode is RetryMode.RESUME:
        again = ", and runs again what may have happened" * doubtful
        return f"goes on in a new job from where it got{again}"
    again = ", also what may have happened" * doubtful
    owed = ", though undos are owed" * bool(still_owed(job.undos))
    return f"does all of it anew in a new job{again}{owed}"
