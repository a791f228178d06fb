"""Every state that small jobs can reach, each with the history that led to it.

Breadth first over the kernel's own ``decide``: whatever sensible commands do, and time up to the
next instant at which something changes. States that differ only in when they happened are one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve as replace
from attrs import fields, frozen, has

from parcae import commands as c
from parcae.events import Event
from parcae.spec import (
    Carried,
    Dependency,
    DependencyPolicy,
    OnLost,
    Origin,
    Retry,
    RetryMode,
    Timing,
)
from parcae.state import Job, Stored
from parcae.values import Instant, JobId, Place, seconds
from parcae_specs.story import JOB, START, put, submit
from parcae_specs.worlds import due_at, sensible

ZERO = timedelta(0)
BRISK = Timing(
    lease=seconds(3),
    renewal=seconds(1),
    attempt=seconds(5),
    cancel_grace=seconds(2),
    undo=seconds(5),
)
ONCE = Retry(max_attempts=1, jitter=0, max_releases=0)
TWICE = Retry(max_attempts=2, jitter=0, max_releases=0)
PATIENT = Retry(max_attempts=2, jitter=0, max_releases=1)


def small(
    *phases: str, retry: Retry = ONCE, losses: int = 0, undo: Retry = ONCE, **changes: Any
) -> c.Submit:
    """The admission of a job whose states are few."""
    on_lost = OnLost(times=losses)
    admission = submit(*phases, retry=retry, on_lost=on_lost, timing=BRISK, **changes)
    spec = admission.spec
    undone = tuple(
        one if one.undo is None else replace(one, undo=replace(one.undo, retry=undo))
        for one in spec.phases
    )
    return replace(admission, spec=replace(spec, phases=undone))


PARENT = JobId("019b76da-a800-7000-8000-00000000000a")
A, B = Carried(phase="a"), Carried(phase="b")


def _origin(mode: RetryMode) -> Origin:
    return Origin(job_id=PARENT, mode=mode, root=PARENT)


SMALL: tuple[c.Submit, ...] = (
    small("a", retry=TWICE),
    small("a?"),
    small("a~", "b", carried=(A,), origin=_origin(RetryMode.RESUME)),
    small("a~", "b~", carried=(A, B), origin=_origin(RetryMode.UNDO)),
    small("a", dependencies=(Dependency(parent=PARENT, policy=DependencyPolicy.FAIL),)),
    small("a", deadline=START + seconds(4), run_at=START + seconds(1)),
)
"""Explored to the end, and every command put to each of their states, on every store."""

LARGER: tuple[c.Submit, ...] = (
    small("a", retry=PATIENT, losses=1),
    small("a~", "b", undo=TWICE),
    small("a~", "b?", retry=PATIENT, losses=1, undo=TWICE),
    small("a~", "b~", "c", retry=PATIENT, losses=1, undo=PATIENT),
    small("a?", "b?", "c", retry=PATIENT, losses=1, undo=PATIENT),
    small("a", "b~", "c?", "d", retry=PATIENT, losses=2, undo=PATIENT),
)
"""For as long as somebody wants to go on."""


@frozen(kw_only=True)
class Reached:
    """A state, and how it came about.

    Attributes:
        stored: the job, under the name :data:`parcae_specs.story.JOB`.
        history: all its events.
        now: the instant at which it is looked at.
        depth: commands and waits since its admission.
    """

    stored: Stored
    history: tuple[Event, ...]
    now: Instant
    depth: int


def reachable(admission: c.Submit, limit: int | None = None) -> Iterator[Reached]:
    """The states that a job so admitted can reach, the nearest first; at most ``limit``."""
    first = put(None, admission, START, Place(1))
    assert first.after is not None
    line = [Reached(stored=first.after, history=first.events, now=START, depth=0)]
    known = {_key(line[0])}
    for found in line:
        if limit is not None and limit <= 0:
            return
        limit = None if limit is None else limit - 1
        yield found
        for after in _successors(found):
            key = _key(after)
            if key not in known:
                known.add(key)
                line.append(after)


def _successors(found: Reached) -> Iterator[Reached]:
    stored, now, depth = found.stored, found.now, found.depth + 1
    due = due_at(stored)
    if due is not None and due > now:
        yield Reached(stored=stored, history=found.history, now=due, depth=depth)
    place = Place(stored.job.place + 1)
    for command in dict.fromkeys(sensible(stored)):
        if isinstance(command, c.Annotate):
            continue
        edge = put(stored, command, now, place, JOB)
        if edge.decision is not None and edge.after is not None:
            history = (*found.history, *edge.events)
            yield Reached(stored=edge.after, history=history, now=now, depth=depth)


def _key(found: Reached) -> Hashable:
    """What tells it apart from others: times count from its now, and all that is past is alike."""
    job, now = found.stored.job, found.now
    due = due_at(found.stored)
    return (
        _relative(job.state, now),
        _relative(found.stored.liveness, now),
        job.phases,
        (job.token, job.attempts, job.losses, job.releases, job.starts, job.receipts, job.late),
        _relative(job.fence, now),
        None if due is None else due - now,
        _deadline(job, now),
    )


def _deadline(job: Job, now: Instant) -> Hashable:
    return job.deadline is not None and job.deadline <= now


def _relative(value: object, now: Instant) -> Hashable:
    if isinstance(value, datetime):
        return max(value - now, ZERO)
    if isinstance(value, tuple):
        return tuple(_relative(one, now) for one in value)
    kind: type[Any] = type(value)
    if has(kind):
        parts = (getattr(value, one.name) for one in fields(kind))
        return kind, tuple(_relative(part, now) for part in parts)
    return value
