"""What every command preserves: an invariant of one job that needs no history to be true.

The walks hold the guarantees in every state that can be reached within a bound. This predicate is
inductive: whatever state it holds in, reachable or not, it holds in after any command. As it holds
of an admitted job, it holds for ever, with no bound on how many commands there were.
"""

from __future__ import annotations

from collections.abc import Iterator

from parcae.assess import stray_liveness
from parcae.spec import Lost
from parcae.state import (
    Compensating,
    Ended,
    Job,
    PhaseStatus,
    Running,
    Scheduled,
    Stored,
    UndoStatus,
)
from parcae.values import Status
from parcae_specs.invariants.job import JOB

FORWARD = (PhaseStatus.PENDING, PhaseStatus.RUNNING, PhaseStatus.COMPLETED)
TO_DO = (UndoStatus.PENDING, UndoStatus.RUNNING)
MAY_STAND = (PhaseStatus.COMPLETED, PhaseStatus.INTERRUPTED)


def faults(stored: Stored) -> Iterator[str]:
    """What is wrong with a job: each broken part of the invariant, with its guarantee."""
    job = stored.job
    for guarantee, check in JOB.items():
        broken = check(job)
        if broken is not None:
            yield f"{guarantee}: {broken}"
    stray = stray_liveness(job, stored.liveness)
    if stray is not None:
        yield f"S5: {stray}"
    yield from _tokens(job)
    if isinstance(job.state, Scheduled | Running):
        yield from _forward(job)
    elif isinstance(job.state, Compensating):
        yield from _compensating(job, job.state)
    elif isinstance(job.state, Ended):
        yield from _ended(job, job.state)


def _tokens(job: Job) -> Iterator[str]:
    given = [one.token for one in job.phases] + [one.token for one in job.undos]
    given += [*(one.report.token for one in job.receipts), *job.late]
    if any(token is not None and not 1 <= token <= job.token for token in given):
        yield f"S3: tokens {given}, of which {job.token} were given"
    taken = [one.report.token for one in job.receipts]
    if len(set(taken)) < len(taken) or len(set(job.late)) < len(job.late):
        yield f"S25: two answers or two late results of one token: {taken}, {job.late}"


def _forward(job: Job) -> Iterator[str]:
    statuses = [phase.status for phase in job.phases]
    if not set(statuses) <= set(FORWARD):
        yield f"S10: {job.status} with phases {statuses}"
    if job.next_phase is None:
        yield "L1: nothing is left to do, and the job has not ended"
    if job.running_phase is not None:
        if job.running_phase != job.next_phase:
            yield f"S11: phase {job.running_phase} runs, but {job.next_phase} is next"
        elif job.phases[job.running_phase].token != job.token:
            yield "S3: a phase runs under a lease that is not the last"
    if any(phase.maybe and phase.status is PhaseStatus.COMPLETED for phase in job.phases):
        yield "S13: a completed phase is not certain"
    if job.attempts >= job.spec.retry.max_attempts:
        yield f"S19: {job.attempts} attempts are burned, and it goes on"
    if job.spec.on_lost.action is Lost.RETRY and job.losses > job.spec.on_lost.times:
        yield f"S19: {job.losses} losses, and it goes on"
    if isinstance(job.state, Running) and job.fence is not None:
        yield "S29: running while a handler that was fenced off may be alive"


def _compensating(job: Job, state: Compensating) -> Iterator[str]:
    statuses = [undo.status for undo in state.undos]
    done = statuses.count(UndoStatus.DONE)
    if done == len(statuses):
        yield "L5: nothing is left to undo, and the job has not ended"
        return
    begun = statuses[:done] + statuses[done + 1 :]
    expected = [UndoStatus.DONE] * done + [UndoStatus.PENDING] * (len(statuses) - done - 1)
    if begun != expected or statuses[done] not in TO_DO:
        yield f"S12: undos stand {statuses}"
    if statuses[done] is UndoStatus.RUNNING and (
        state.lease is None or state.next.token != job.token
    ):
        yield "S3: an undo runs without the lease"
    yield from _owed(job)
    for undo in state.undos[done:]:
        spec = job.phase_spec(undo.phase)
        if spec is None or spec.undo is None:
            yield f"S12: phase {undo.phase} has no undo"
        elif undo.tries >= spec.undo.retry.max_attempts:
            yield f"S19: {undo.tries} tries of an undo are burned, and it goes on"
        elif undo.unknown and not spec.undo.unknown:
            yield f"S13: the undo of {undo.phase} cannot handle what is unknown"


def _owed(job: Job) -> Iterator[str]:
    """S12, S13: whatever may stand and has an undo is among the undos, in reverse."""
    owed = [
        spec.name
        for spec, phase in zip(job.spec.phases, job.phases, strict=True)
        if spec.undo is not None and phase.status in MAY_STAND
    ]
    found = [undo.phase for undo in job.undos]
    if found != owed[::-1]:
        yield f"S13: {owed[::-1]} may stand, {found} are undone or owed"


def _ended(job: Job, state: Ended) -> Iterator[str]:
    yield from _owed(job) if state.status is not Status.COMPLETED else ()
    if (state.cause is None) != (state.status is Status.COMPLETED):
        yield f"S2: {state.status} for {state.cause}"
    if state.status is Status.QUARANTINED and state.undos and not _left(state):
        yield "S13: quarantined with everything undone"


def _left(state: Ended) -> bool:
    return any(undo.status is not UndoStatus.DONE for undo in state.undos)
