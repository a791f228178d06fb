"""Where a job stands, since when and why."""

from __future__ import annotations

from collections.abc import Iterator

from parcae.events import CancelRequest, Event
from parcae.lifecycle import after
from parcae.phrases import ago, at, count, listed, span, when
from parcae.spec import RetryMode
from parcae.state import Compensating, Ended, Job, Lease, Liveness, Pending, Running, Scheduled
from parcae.timing import expired
from parcae.values import Instant, Status
from parcae.why.values import Surroundings
from parcae.why.words import CAUSES, STATUSES


def since(job: Job, history: tuple[Event, ...]) -> Instant:
    """Since when the job has had its status.

    By its history; without one, by the earliest instant that its state tells.
    """
    status: Status | None = None
    moved: Instant | None = None
    for event in history:
        reached = after(status, type(event))
        if reached is not status:
            status, moved = reached, event.at
    return moved if moved is not None else _told_by(job)


def _told_by(job: Job) -> Instant:
    state = job.state
    match state:
        case Pending():
            return job.submitted_at
        case Scheduled():
            return state.since
        case Running():
            return state.lease.since
        case Compensating():
            return state.lease.since if state.lease is not None else state.ready_at
        case Ended():
            return state.at


def present(job: Job, liveness: Liveness | None, now: Instant, around: Surroundings) -> str:
    """Where the job stands, since when and why."""
    moved = since(job, around.history)
    began = "ended" if job.status.is_terminal else "has been"
    since_when = f"{'at' if job.status.is_terminal else 'since'} {when(moved, now)}"
    head = f"It {began} {job.status} {since_when}: {STATUSES[job.status]}."
    return " ".join((head, *_more(job, liveness, now), *_origin(job)))


def _more(job: Job, liveness: Liveness | None, now: Instant) -> Iterator[str]:
    state = job.state
    match state:
        case Pending():
            yield f"Of what it depends on, {listed(state.unsettled)} has not ended."
        case Scheduled():
            if job.starts:
                times = count(job.starts, "time")
                yield f"It has been started before, {times} in all."
        case Running():
            yield _held(state.lease, liveness, now)
            yield _phase_in_work(job)
            yield from _asked(state.cancel)
        case Compensating():
            yield f"The cause: {CAUSES[state.cause]}."
            yield from _reconciled(state.reconciled)
            if state.lease is not None:
                yield _held(state.lease, liveness, now)
            yield from _asked(state.cancel)
        case Ended():
            yield from _ended(state)


def _ended(state: Ended) -> Iterator[str]:
    if state.cause is not None:
        yield f"The cause: {CAUSES[state.cause]}."
    if state.trigger is not None:
        yield f"What began it: {CAUSES[state.trigger]}."
    yield from _reconciled(state.reconciled)
    if state.status is Status.COMPLETED and state.cancel is not None:
        yield "A cancel had been requested, and came too late."
    else:
        yield from _asked(state.cancel)


def _reconciled(reconciled: bool) -> Iterator[str]:
    if reconciled:
        yield "The reconciler established that: no handler reported it."


def _held(lease: Lease, liveness: Liveness | None, now: Instant) -> str:
    held = f"Worker {lease.worker} has held it under token {lease.token} since {at(lease.since)}"
    if liveness is None:
        return f"{held}; there is no record of whether it lives."
    heard = f"{held} and was last heard of {ago(liveness.renewed_at, now)}"
    if expired(liveness, now):
        return f"{heard}; its lease ran out {span(now - liveness.expires_at)} ago."
    return f"{heard}; its lease holds for another {span(liveness.expires_at - now)}."


def _phase_in_work(job: Job) -> str:
    index = job.running_phase
    number = f"attempt {job.attempt} of {job.spec.retry.max_attempts}"
    if index is None:
        return f"It is between two phases, in {number}."
    return f"Phase {job.spec.phases[index].name} is in work, in {number}."


def _asked(request: CancelRequest | None) -> Iterator[str]:
    if request is not None:
        reason = f" ({request.reason})" if request.reason else ""
        forced = ", without waiting for its handler" * request.force
        yield f"{request.by or 'Somebody'} asked for it to stop{forced}{reason}."


def _origin(job: Job) -> Iterator[str]:
    origin = job.spec.origin
    if origin is None:
        return
    how = {
        RetryMode.FROM_START: "does all of job {} anew",
        RetryMode.RESUME: "goes on where job {} got",
        RetryMode.UNDO: "only undoes what job {} did",
    }
    yield f"It {how[origin.mode].format(origin.job_id)}."
