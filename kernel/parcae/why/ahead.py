"""What will happen next, and when: not guessed, but decided by the kernel as if it were time."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve as replace

from parcae import commands as c
from parcae.compensation import settled_by_hand, still_owed
from parcae.decide import decide
from parcae.phrases import at, count, listed, when
from parcae.queues import Queue
from parcae.state import Compensating, Ended, Job, Liveness, Pending, Running, Scheduled, Stored
from parcae.timing import Due, DueKind, next_due
from parcae.values import LAST_INSTANT, Instant, Place, Status
from parcae.why.values import Surroundings
from parcae.why.words import BOUNDS, CAUSES


def ahead(job: Job, liveness: Liveness | None, now: Instant, around: Surroundings) -> str:
    """What will happen to the job next, and when."""
    due = next_due(job, liveness, around.queue)
    if due is not None and due.at <= now:
        then = _outcome(job, liveness, now, around.queue)
        what = BOUNDS[due.kind]
        return f"Any living worker will notice that {what} has passed; then {then}."
    return " ".join(_steps(job, liveness, now, around))


def _steps(
    job: Job, liveness: Liveness | None, now: Instant, around: Surroundings
) -> Iterator[str]:
    state, queue = job.state, around.queue
    match state:
        case Pending():
            yield _once_settled(job, state)
            yield from _bound(job, liveness, now, queue)
        case Scheduled():
            yield _start(job, state, now, around)
            yield from _bound(job, liveness, now, queue)
        case Running():
            yield _on(job, state)
            yield from _if_silent(job, liveness, now, queue)
            yield from _bound(job, liveness, now, queue)
        case Compensating():
            yield _undo(state, now)
            yield from _if_silent(job, liveness, now, queue)
            yield from _bound(job, liveness, now, queue)
        case Ended():
            yield _over(job, state, around)


def _once_settled(job: Job, state: Pending) -> str:
    left = len(state.unsettled)
    others = "that" if left == 1 else f"the last of those {left}"
    later = f", to start at {at(job.spec.run_at)} or later" if job.spec.run_at else ""
    return f"Once {others} has ended well enough, it takes its place in line{later}."


def _start(job: Job, state: Scheduled, now: Instant, around: Surroundings) -> str:
    kind, most = job.spec.kind, job.spec.retry.max_attempts
    attempt = f"attempt {job.attempt} of {most}"
    if around.queue is not None and around.queue.paused:
        return f"Nothing, until its queue {around.queue.name} is resumed; then {attempt} begins."
    whom = "the host's own queue" if job.spec.external else f"a worker that runs kind {kind}"
    if state.ready_at > now:
        return f"From {when(state.ready_at, now)} on {whom} may begin {attempt}."
    if job.spec.external:
        return f"Once there is a slot for it, {whom} may begin {attempt}."
    ahead = around.standing.ahead if around.standing is not None else 0
    after = f" and {count(ahead, 'job')} before it" if ahead else ""
    return f"Once there is a slot for it{after}, {whom} begins {attempt}."


def _on(job: Job, state: Running) -> str:
    if state.cancel is not None:
        return "Its handler stops, or is fenced off when its grace is over; no new phase begins."
    index = job.running_phase
    if index is None:
        following = job.next_phase
        assert following is not None
        return f"Phase {job.spec.phases[following].name} begins."
    name = job.spec.phases[index].name
    if index + 1 == len(job.spec.phases):
        return f"Phase {name} is the last: once it is done, the job is completed."
    return f"Once phase {name} is done, phase {job.spec.phases[index + 1].name} begins."


def _undo(state: Compensating, now: Instant) -> str:
    left = [one.phase for one in state.undos[state.undos.index(state.next) :]]
    order = ", then ".join(left)
    if state.lease is None and state.ready_at > now:
        begins = f"From {when(state.ready_at, now)} on a worker undoes {order}."
    else:
        begins = f"A worker undoes {order}."
    return f"{begins} After the last of them the job ends {Status.COMPENSATED}."


def _over(job: Job, state: Ended, around: Surroundings) -> str:
    if around.taken_up_by is not None:
        return f"Nothing: the outcome never changes. Job {around.taken_up_by} has taken it up."
    if state.status is Status.QUARANTINED:
        waits = "Nothing by itself: it waits for a person to decide, for as long as it takes."
        return " ".join((waits, *_owed(job, state)))
    kept = " A legal hold keeps retention from it." * around.on_hold
    return f"Nothing: the outcome never changes.{kept}"


def _owed(job: Job, state: Ended) -> Iterator[str]:
    owed = still_owed(state.undos)
    if not owed:
        return
    names = (f"{one.phase} (if it happened)" if one.unknown else one.phase for one in owed)
    yield f"Still owed is the undo of {listed(names)}."
    by_hand = settled_by_hand(job)
    if by_hand:
        yield f"No command can undo {listed(by_hand)}: find out, and put it right by hand."


def _if_silent(
    job: Job, liveness: Liveness | None, now: Instant, queue: Queue | None
) -> Iterator[str]:
    """What follows if its worker is not heard of again."""
    if job.lease is None or liveness is None:
        return
    first = next_due(job, liveness, queue)
    if first is None or first.kind is not DueKind.LEASE:
        return
    then = _outcome(job, liveness, first.at, queue)
    yield f"If its worker is not heard of until {when(first.at, now)}, {then}."


def _bound(job: Job, liveness: Liveness | None, now: Instant, queue: Queue | None) -> Iterator[str]:
    """What bounds it at the latest, though its worker is well."""
    trusted = liveness and replace(liveness, expires_at=LAST_INSTANT)
    due = next_due(job, trusted, queue)
    if due is None or due.at >= LAST_INSTANT or _unbounded(job, due):
        return
    alive = liveness and replace(liveness, expires_at=max(due.at, liveness.expires_at))
    then = _outcome(job, alive, due.at, queue)
    yield f"At the latest at {BOUNDS[due.kind]}, {when(due.at, now)}, {then}."


def _unbounded(job: Job, due: Due) -> bool:
    return due.kind is DueKind.LEASE and job.lease is not None


def _outcome(job: Job, liveness: Liveness | None, then: Instant, queue: Queue | None) -> str:
    """What the reconciler would make of the job at ``then``; a clause."""
    stored, place = Stored(job=job, liveness=liveness), Place(job.place + 1)
    decision = decide(job.id, stored, c.Reconcile(), then, place, queue)
    assert decision.job is not None
    after = decision.job.state
    match after:
        case Ended():
            why = f": {CAUSES[after.cause]}" if after.cause is not None else ""
            return f"the reconciler ends it as {after.status}{why}"
        case Scheduled():
            most = job.spec.retry.max_attempts
            number = f"attempt {decision.job.attempt} of {most}"
            return f"it goes back in line for {number}, from {at(after.ready_at)} on"
        case Compensating() if isinstance(job.state, Compensating):
            again = at(after.ready_at)
            return f"the undo of {after.next.phase} is tried again, from {again} on"
        case Compensating():
            begins = at(after.ready_at)
            return f"it will not complete, and what it did is undone, from {begins} on"
        case _:
            return "it stays as it is"
