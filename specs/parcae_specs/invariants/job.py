"""Guarantees over one job as it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from parcae.state import Compensating, Ended, Job, PhaseStatus, Running, UndoStatus
from parcae.values import Status

OPEN = (PhaseStatus.PENDING, PhaseStatus.RUNNING)


def no_contradiction(job: Job) -> str | None:
    """S10: an ended job has no open phase, a completed one only completed phases."""
    found = [phase.status for phase in job.phases]
    if isinstance(job.state, Ended | Compensating) and any(one in OPEN for one in found):
        return f"{job.status} with phases {found}"
    if job.status is Status.COMPLETED and set(found) != {PhaseStatus.COMPLETED}:
        return f"completed with phases {found}"
    running = found.count(PhaseStatus.RUNNING)
    if running and (running > 1 or not isinstance(job.state, Running)):
        return f"{job.status} with {running} running phases"
    return None


def slot_is_lease(job: Job) -> str | None:
    """S3, S6: a lease is recorded exactly while somebody holds the job, under its last token."""
    lease = job.lease
    if isinstance(job.state, Running) and lease is None:
        return "running without a lease"
    if lease is not None and lease.token != job.token:
        return f"the lease has token {lease.token}, the last given is {job.token}"
    return None


def undos_say_it(job: Job) -> str | None:
    """S13: compensated means all undone; failed, cancelled and completed mean nothing to undo."""
    left = [undo.phase for undo in job.undos if undo.status is not UndoStatus.DONE]
    if job.status is Status.COMPENSATED and (left or not job.undos):
        return f"compensated, but {left or 'nothing'} was to be undone"
    if job.status in (Status.FAILED, Status.CANCELLED, Status.COMPLETED) and job.undos:
        return f"{job.status} with undos {job.undos}"
    open_undos = [one.phase for one in job.undos if one.status in UNDER_WAY]
    if isinstance(job.state, Ended) and open_undos:
        return f"{job.status} with undos under way: {open_undos}"
    return None


UNDER_WAY = (UndoStatus.PENDING, UndoStatus.RUNNING)

JOB: Mapping[str, Callable[[Job], str | None]] = {
    "S10": no_contradiction,
    "S6": slot_is_lease,
    "S13": undos_say_it,
}
