"""What may have happened, and nobody can know."""

from __future__ import annotations

from collections.abc import Iterator

from parcae.phrases import at, listed
from parcae.state import (
    Compensating,
    Ended,
    Job,
    Liveness,
    PhaseStatus,
    Running,
    UndoStatus,
)
from parcae.timing import expired
from parcae.values import Instant


def doubts(job: Job, liveness: Liveness | None, now: Instant) -> Iterator[str]:
    """What may have happened, and nobody can know; nothing: all is known."""
    yield from _phases(job)
    if isinstance(job.state, Running | Compensating) and job.lease is not None:
        yield from _silent(job, liveness, now)
    yield from _undos(job)
    yield from _overlap(job, now)


def _phases(job: Job) -> Iterator[str]:
    """Phases that were cut off may have happened, wholly or in part; those that raised, in part."""
    pairs = tuple(zip(job.spec.phases, job.phases, strict=True))
    settled = {undo.phase for undo in job.undos if undo.status is UndoStatus.DONE}
    cut_off = [spec.name for spec, one in pairs if one.maybe and spec.name not in settled]
    if cut_off:
        yield (
            f"Phase {listed(cut_off)} was cut off in work: whether it happened, wholly or in part, "
            "nobody knows."
        )
    raised = [spec.name for spec, one in pairs if one.status is PhaseStatus.FAILED]
    if raised:
        yield (
            f"Phase {listed(raised)} raised an error, and counts as not having happened: what it "
            "had done before that was its own to put right."
        )


def _silent(job: Job, liveness: Liveness | None, now: Instant) -> Iterator[str]:
    if not expired(liveness, now):
        return
    yield "Its worker may be dead, or alive and cut off from the store: both look alike."
    index, state = job.running_phase, job.state
    if index is not None:
        name = job.spec.phases[index].name
        yield f"Phase {name} was in work when its worker was last heard of: it may have happened."
    if isinstance(state, Compensating) and state.next.status is UndoStatus.RUNNING:
        name = state.next.phase
        yield f"The undo of {name} was in work when its worker was last heard of: it may be done."


def _undos(job: Job) -> Iterator[str]:
    for undo in job.undos:
        if undo.status is UndoStatus.DONE:
            continue
        if undo.interrupted:
            yield f"The undo of {undo.phase} was cut off in work: whether it is done nobody knows."
        elif undo.status is UndoStatus.FAILED:
            yield f"The undo of {undo.phase} did not succeed: it may be half done."


def _overlap(job: Job, now: Instant) -> Iterator[str]:
    state = job.state
    if isinstance(state, Compensating | Ended) and state.overlap:
        yield "Its undoing was forced, and may have run beside a handler that was still alive."
    if job.fence is not None and job.fence > now:
        yield (
            "A handler whose lease was taken away may still be alive, until "
            f"{at(job.fence)} at the latest."
        )
    if job.late:
        tokens = listed(str(token) for token in job.late)
        yield (
            f"A worker that had lost the job reported late (token {tokens}): what its handler did "
            "has happened, though it does not count."
        )
