"""What keeps a job from going on: others, its time, its line, its handler."""

from __future__ import annotations

from collections.abc import Iterator

from parcae.events import (
    Annotated,
    CompensationReleased,
    LateResultRecorded,
    Released,
    RetryScheduled,
)
from parcae.freshness import assess
from parcae.measures import obstacles
from parcae.phrases import MOST, at, count, listed, span, when
from parcae.state import Compensating, Job, Pending, Running, Scheduled, Stored
from parcae.survey import Standing
from parcae.telling import progress
from parcae.values import Cause, Instant
from parcae.why.values import Awaited, Surroundings
from parcae.why.words import POLICIES

ENDED = {
    Cause.LEASE_LOST: "lost its worker",
    Cause.ATTEMPT_TIMEOUT: "ran past its hard timeout",
    Cause.HANDLER_ERROR: "failed",
}
"""How the attempt before ended."""


def waits(job: Job, now: Instant, around: Surroundings) -> Iterator[str]:
    """What keeps it from going on; nothing once it has ended."""
    state = job.state
    match state:
        case Pending():
            yield from _awaited(job, state, now, around)
        case Scheduled():
            yield from _again(job, around)
            yield from _given_back(job, around)
            if state.ready_at > now:
                yield f"It may not start before {when(state.ready_at, now)}."
            yield from _line(job, now, around)
        case Compensating() if state.lease is None:
            undo = state.next
            yield f"The undo of phase {undo.phase} is next, and waits for a worker."
            yield from _given_back(job, around)
            if state.ready_at > now:
                yield f"It may not begin before {when(state.ready_at, now)}."
            yield from _line(job, now, around)
        case Compensating():
            yield f"The undo of phase {state.next.phase} is in work, or about to be."
        case Running() if state.cancel is not None:
            yield "Its handler has yet to stop, as it was asked to."
        case _:
            return
    yield from _of_group(around)


def _awaited(job: Job, state: Pending, now: Instant, around: Surroundings) -> Iterator[str]:
    known = {one.name: one for one in around.awaited}
    for name in state.unsettled[:MOST]:
        dependency = job.spec.by_parent[name]
        found = known.get(name, Awaited(name=name, policy=dependency.policy))
        otherwise = POLICIES[dependency.policy]
        yield f"It waits for {_of(found, now)}. If that does not complete, {otherwise}."
    left = len(state.unsettled) - MOST
    if left > 0:
        yield f"It waits for {count(left, 'more job')} besides."


def _of(awaited: Awaited, now: Instant) -> str:
    """What is waited for, and what that waits for itself."""
    if awaited.group is not None:
        told = progress(awaited.group).removesuffix(".")
        return f"{awaited.name}, of which it is known: {told}"
    if awaited.stored is None:
        return f"job {awaited.name}"
    stored = awaited.stored
    head = f"job {awaited.name}, which is {_briefly(stored, now)}"
    if awaited.awaits is None:
        return head
    return f"{head} and waits for {_of(awaited.awaits, now)}"


def _briefly(stored: Stored, now: Instant) -> str:
    job = stored.job
    trust = assess(job, stored.liveness, now)
    held = f" with worker {job.lease.worker}" if job.lease is not None else ""
    return f"{job.status}{held} ({trust.word})"


def _again(job: Job, around: Surroundings) -> Iterator[str]:
    """Which attempt is next, and after which end of the last one; without the text of an error."""
    if not job.attempts:
        return
    tried = (one for one in reversed(around.history) if isinstance(one, RetryScheduled))
    last = next(tried, None)
    ended = "did not succeed" if last is None else ENDED.get(last.cause, "did not succeed")
    raised = f" ({last.error.type})" if last is not None and last.error is not None else ""
    most = job.spec.retry.max_attempts
    yield f"Attempt {job.attempt} of {most} is next: the one before {ended}{raised}."


def lacked(around: Surroundings) -> str:
    """What the worker lacked that had the job last, and gave it back for that; else nothing."""
    notes = (Annotated, LateResultRecorded)
    moved = (one for one in reversed(around.history) if not isinstance(one, notes))
    last = next(moved, None)
    return last.lacks if isinstance(last, Released | CompensationReleased) else ""


def _given_back(job: Job, around: Surroundings) -> Iterator[str]:
    """A worker of its kind is there, but not of its shape (rule 14 of the lifecycle)."""
    missing = lacked(around)
    if missing:
        yield (
            f"It was admitted with version {job.spec.definition} of kind {job.spec.kind}, and the "
            f"worker that was given it last cannot run that: {missing}. It waits for one that can."
        )


def _line(job: Job, now: Instant, around: Surroundings) -> Iterator[str]:
    standing, kind = around.standing, job.spec.kind
    external = job.spec.external
    if standing is not None and standing.offer is not None:
        # A start by name overtakes nobody: its place in our line says nothing.
        yield from () if external else _place(standing)
        yield from (f"{one[0].upper()}{one[1:]}." for one in obstacles(standing))
        yield from _holders(standing, now) if bounded(standing) else ()
    elif around.queue is not None and around.queue.paused_at is not None:
        undoes = isinstance(job.state, Compensating)
        if not undoes:
            yield f"Queue {around.queue.name} is paused since {at(around.queue.paused_at)}."
    if external:
        yield "The host's own queue, which runs it, has yet to report its start."
    elif around.workers is None:
        yield f"Only a worker that runs kind {kind} takes it; nobody has counted those."
    elif not around.workers:
        yield f"No living worker is known that runs kind {kind}: until one comes, it waits."
        yield from _others(job, around)
    else:
        yield f"{count(len(around.workers), 'living worker')} can run kind {kind}."


def _others(job: Job, around: Surroundings) -> Iterator[str]:
    """Those that are there, and do not take it."""
    there, kind, queue = around.present, job.spec.kind, job.spec.lane.queue
    if not there:
        yield "No worker at all is known to be there."
        return
    elsewhere = [one for one in there if kind in one.kinds]
    if elsewhere:
        queues = sorted({name for one in elsewhere for name in one.queues or ()})
        many = count(len(elsewhere), "worker")
        yield f"{many} can run that kind, but not from queue {queue}: only from {listed(queues)}."
        return
    kinds = sorted({name for one in there for name in one.kinds})
    yield f"{count(len(there), 'worker')} known to be there can run {listed(kinds) or 'nothing'}."


def _place(standing: Standing) -> Iterator[str]:
    lane = standing.stored.job.spec.lane
    where = f"queue {lane.queue}" + (f", key {lane.key}" if lane.key else "")
    if standing.ahead:
        yield f"{count(standing.ahead, 'job')} of its line ({where}) will start before it."
    else:
        yield f"It is the first of its line ({where})."


def bounded(standing: Standing) -> bool:
    """Whether so many jobs run at once as may: else who holds a slot is in nobody's way."""
    whole, key = standing.queue.bounds, standing.queue.of(standing.stored.job.spec.lane.key)
    full = whole.limit is not None and standing.held_in_queue >= whole.limit
    return full or (key.limit is not None and standing.held >= key.limit)


def _holders(standing: Standing, now: Instant) -> Iterator[str]:
    leases = ((one.job.id, one.job.lease) for one in standing.holders)
    held = [
        f"job {name} (worker {lease.worker}, for {span(now - lease.since)})"
        for name, lease in leases
        if lease is not None
    ]
    if held:
        yield f"The slots of its line are held by {listed(held)}."


def _of_group(around: Surroundings) -> Iterator[str]:
    if around.group is not None:
        yield f"Of its group {around.group.id} it is known: {progress(around.group)}"
