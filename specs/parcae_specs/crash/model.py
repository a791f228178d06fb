"""Small models of one job, walked to their ends: every state in which somebody may crash."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from attrs import frozen

from parcae import commands as c
from parcae.decide import decide
from parcae.errors import ParcaeError
from parcae.events import Event
from parcae.spec import Dependency, OnLost, PhaseSpec, Retry, Timing, UndoSpec
from parcae.state import Compensating, Pending, Scheduled, Stored
from parcae.timing import next_due
from parcae.values import Instant, JobId, Place, Status, Token, WorkerId, minutes, seconds
from parcae_specs.story import (
    JOB,
    START,
    cancel,
    confirm,
    done,
    fail,
    release,
    renew,
    settle,
    start,
    submit,
    undo,
    undo_failed,
    undone,
)

HALF_A_MINUTE = seconds(30)
EVEN = Timing(
    lease=HALF_A_MINUTE,
    attempt=HALF_A_MINUTE,
    cancel_grace=HALF_A_MINUTE,
    undo=HALF_A_MINUTE,
)
"""Everything takes equally long, so that few instants can be told apart."""
TWICE = Retry(max_attempts=2, backoff=seconds(0), jitter=0, max_releases=1)
FIRM = OnLost(times=1)
UNDO, SURE_UNDO = (UndoSpec(retry=TWICE, unknown=unknown) for unknown in (False, True))
PARENT = Dependency(parent=JobId("p"))


SINGLE = Retry(max_attempts=1, backoff=seconds(0), jitter=0, max_releases=0)


def _job(*undos: UndoSpec | None, retry: Retry = TWICE, **changes: Any) -> c.Submit:
    phases = tuple(PhaseSpec(name=f"p{i}", undo=undo) for i, undo in enumerate(undos))
    return submit(phases=phases, retry=retry, on_lost=FIRM, timing=EVEN, **changes)


MODELS: Mapping[str, c.Submit] = {
    "one phase, tried once, its undo too": _job(UndoSpec(retry=SINGLE, unknown=True), retry=SINGLE),
    "waits for another, and has a deadline": _job(
        None, dependencies=(PARENT,), deadline=START + minutes(1)
    ),
    "one phase, with an undo for unknowns": _job(SURE_UNDO),
    "two phases, the first with an undo": _job(UNDO, None),
}


@frozen
class Situation:
    """A job at an instant, and how it came about."""

    stored: Stored
    now: Instant
    history: tuple[Event, ...]


def situations(admission: c.Submit, limit: int) -> Iterator[Situation]:
    """Every state that the job can reach, the nearest first; ``limit`` of them at the most.

    Of states that differ in their age and numbering only, the first one stands for all.
    """
    first = _after(None, START, (), admission)
    assert first is not None
    line, seen = deque([first]), {_shape(first)}
    while line and limit:
        situation = line.popleft()
        limit -= 1
        yield situation
        for then in _next(situation):
            shape = _shape(then)
            if shape not in seen:
                seen.add(shape)
                line.append(then)


def _shape(situation: Situation) -> Hashable:
    """What of a state decides what may follow, its instants counted from now."""
    job, now = situation.stored.job, situation.now
    state, past = job.state, timedelta(0)
    alive, due = situation.stored.liveness, next_due(job, situation.stored.liveness)
    ready = getattr(state, "ready_at", None)
    instants = (due and due.at, alive and alive.expires_at, ready, job.fence)
    cancel = getattr(state, "cancel", None)
    spoken = {token: job.receipt(token) for token in (job.token, Token(job.token - 1))}
    return (
        job.status,
        due and due.kind,
        tuple(at and max(at - now, past) for at in instants),
        tuple((one.status, one.maybe, one.token == job.token) for one in job.phases),
        tuple((one.status, one.unknown, one.tries, one.releases) for one in job.undos),
        (job.attempts, job.losses, job.releases, job.token > 1),
        (job.lease is None, cancel is None or cancel.force),
        tuple(one and one.report.kind for one in spoken.values()),
        tuple(token in job.late for token in spoken),
        getattr(state, "unsettled", None),
    )


def _next(situation: Situation) -> Iterator[Situation]:
    stored, now = situation.stored, situation.now
    for command in commands(stored):
        after = _after(stored, now, situation.history, command)
        if after is not None:
            yield after
    due, state = next_due(stored.job, stored.liveness), stored.job.state
    ready = state.ready_at if isinstance(state, Scheduled | Compensating) else None
    for instant in {due.at if due else None, ready} - {None}:
        if instant is not None and instant > now:
            yield Situation(stored, instant, situation.history)


def _after(
    stored: Stored | None, now: Instant, history: tuple[Event, ...], command: c.Command
) -> Situation | None:
    """What ``command`` leads to; ``None``: nothing new."""
    place = Place(len(history) + 1)
    try:
        decision = decide(JOB, stored, command, now, place)
    except ParcaeError:
        return None
    if decision.job is None:
        return None
    after = Stored(job=decision.job, liveness=decision.liveness)
    return Situation(after, now, (*history, *decision.events))


def commands(stored: Stored) -> Sequence[c.Command]:
    """What may be asked of a job by its workers, the last one and the one before, and by others."""
    job, state = stored.job, stored.job.state
    asked: list[c.Command] = [c.Reconcile(), cancel("ops"), cancel("ops", force=True)]
    if isinstance(state, Pending):
        for parent in state.unsettled:
            asked += [settle(parent), settle(parent, Status.FAILED)]
    worker = c.Claim(worker=WorkerId("ann"), request=f"r{job.token + (job.lease is None)}")
    asked.append(worker)
    for token in range(max(1, job.token - 1), job.token + 1):
        asked += [renew(token), fail(token), fail(token, permanent=True)]
        asked += [release(token), confirm(token)]
        for phase in job.spec.phases:
            name = phase.name
            asked += [start(name, token), done(name, token, result=b"1")]
            if phase.undo is not None:
                asked += [undo(name, token), undone(name, token)]
                asked += [undo_failed(name, token), undo_failed(name, token, permanent=True)]
    return asked
