"""What a worker elsewhere sends and is sent: a lease with all that it takes to do the work.

A worker written in another language needs nothing of this kernel: which phase is next, under which
idempotency key, until when, all that stands in the lease. Spans are in seconds and count from when
the answer was written, so that no clock but the server's has a say in when a lease ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from parcae.answers import Granted
from parcae.codec import encode_job, encode_spec
from parcae.context import idempotency_key
from parcae.state import Compensating, Job, PhaseStatus, Running, UndoStatus
from parcae.values import Instant
from parcae_adapters.http.fields import many, name, number

MOST_CLAIMED = 100
"""Jobs of one claim."""

MOST_WAIT = 60
"""Seconds that a claim waits for work at the most."""

MOST_KINDS = 1_000
MOST_WITHOUT = 10_000


@frozen(kw_only=True)
class Claim:
    """A request for work.

    Attributes:
        worker: who asks; unique among all workers.
        request: a key of this very request: repeated, it grants the same leases again.
        kinds: what it can run; none at all: only what was granted under this key before.
        queues: from these only; none: from all.
        limit: so many jobs at the most.
        wait: seconds to wait for work, where there is none.
        record: add the job as it is stored, for an engine of this kernel.
        without: none of these jobs: the worker has found that it cannot run them.
    """

    worker: str = name()
    request: str = name()
    kinds: tuple[str, ...] = many(most=MOST_KINDS)
    queues: tuple[str, ...] | None = many(None, most=MOST_KINDS)
    limit: int = number(1, least=1, most=MOST_CLAIMED)
    wait: float = number(0, least=0, most=MOST_WAIT)
    record: bool = False
    without: tuple[str, ...] = many(most=MOST_WITHOUT)


@frozen(kw_only=True)
class LeasedPhase:
    """One phase of the work.

    Attributes:
        name: of the phase.
        status: where it stands.
        idempotency_key: the same whenever this phase is run again: hand it to whatever is called.
        unknown: it was cut off once: nobody knows whether it has happened.
    """

    name: str
    status: PhaseStatus
    idempotency_key: str
    unknown: bool


@frozen(kw_only=True)
class LeasedUndo:
    """One phase to be undone.

    Attributes:
        phase: its name.
        status: where its undo stands.
        idempotency_key: of the undo.
        unknown: nobody knows whether the phase has happened: there is no result of it.
    """

    phase: str
    status: UndoStatus
    idempotency_key: str
    unknown: bool


@frozen(kw_only=True)
class Lease:
    """A job in the hands of a worker.

    Attributes:
        job_id: which job.
        token: of the lease: every report carries it.
        kind: what is to be run.
        queue: that it stood in.
        attempt: from 1.
        status: ``running``, or ``compensating``: then the undos are the work.
        expires_at: when the lease ends, by the server's clock.
        expires_in: seconds until then.
        renew_every: seconds; renew so often.
        timeout_in: seconds until the attempt, or this undo, has taken too long.
        cancel_requested: somebody wants it stopped: confirm that instead of beginning a phase.
        next: the phase to start, or to undo, now.
        phases: all of them, in order.
        undos: those to undo, in the order to undo them in.
        overlap: the undo was forced: the handler of the phase may still be alive.
        payload: the arguments of the job.
        payload_omitted: the payload is too large to come along: ask for the inputs.
        results: the phases whose results can be asked for.
        record: with ``record``: the spec and the state as they are stored.
    """

    job_id: str
    token: int
    kind: str
    queue: str
    attempt: int
    status: str
    expires_at: datetime
    expires_in: float
    renew_every: float
    timeout_in: float
    cancel_requested: bool
    next: str | None
    phases: tuple[LeasedPhase, ...]
    undos: tuple[LeasedUndo, ...]
    overlap: bool
    payload: Any
    payload_omitted: bool
    results: tuple[str, ...]
    record: Any = None


@frozen(kw_only=True)
class Leases:
    """What a claim came to.

    Attributes:
        leases: granted.
        waited: seconds that passed on the server before they were.
        next_in: seconds after which there may be work although nobody submits any.
    """

    leases: tuple[Lease, ...]
    waited: float
    next_in: float | None


@frozen(kw_only=True)
class HeldLease:
    """A lease that a worker has."""

    job_id: str
    token: int
    status: str
    cancel_requested: bool


@frozen(kw_only=True)
class HeldLeases:
    """What a worker holds."""

    leases: tuple[HeldLease, ...]


@frozen(kw_only=True)
class Inputs:
    """What handlers are given: each is a JSON value, or with ``text`` the text of one."""

    payload: Any
    results: dict[str, Any]
    parents: dict[str, Any]


@frozen(kw_only=True)
class News:
    """Whether there is news.

    Attributes:
        mark: how much there is; hand it in with the next question.
        news: there is more than the question knew.
    """

    mark: str
    news: bool


def lease(granted: Granted, now: Instant, *, payload: bytes | None, record: bool) -> Lease:
    """What a worker elsewhere is told of a granted job; ``payload`` ``None``: left out."""
    job, state = granted.job, granted.job.state
    undoing = isinstance(state, Compensating)
    timeout = job.spec.timing.undo if undoing else job.spec.timing.attempt
    return Lease(
        job_id=job.id,
        token=granted.lease.token,
        kind=job.spec.kind,
        queue=job.spec.lane.queue,
        attempt=job.attempt,
        status=str(job.status),
        expires_at=granted.expires_at,
        expires_in=(granted.expires_at - now).total_seconds(),
        renew_every=job.spec.timing.renewal.total_seconds(),
        timeout_in=(granted.lease.since + timeout - now).total_seconds(),
        cancel_requested=isinstance(state, Running | Compensating) and state.cancel is not None,
        next=_next(job),
        phases=_phases(job),
        undos=_undos(job),
        overlap=isinstance(state, Compensating) and state.overlap,
        payload=None if payload is None or record else json.loads(payload),
        payload_omitted=payload is None or record,
        results=tuple(
            spec.name
            for spec, one in zip(job.spec.phases, job.phases, strict=True)
            if one.result is not None
        ),
        record=stored_form(job) if record else None,
    )


def stored_form(job: Job) -> Mapping[str, Any]:
    """A job as it is stored: every version of this kernel reads those of the versions before."""
    return {"spec": json.loads(encode_spec(job.spec)), "state": json.loads(encode_job(job))}


def _next(job: Job) -> str | None:
    if isinstance(job.state, Compensating):
        return job.state.next.phase
    index = job.next_phase
    return None if index is None else job.spec.phases[index].name


def _phases(job: Job) -> tuple[LeasedPhase, ...]:
    return tuple(
        LeasedPhase(
            name=spec.name,
            status=one.status,
            idempotency_key=idempotency_key(job, spec.name),
            unknown=one.maybe,
        )
        for spec, one in zip(job.spec.phases, job.phases, strict=True)
    )


def _undos(job: Job) -> tuple[LeasedUndo, ...]:
    return tuple(
        LeasedUndo(
            phase=one.phase,
            status=one.status,
            idempotency_key=idempotency_key(job, one.phase, undo=True),
            unknown=one.unknown,
        )
        for one in job.undos
    )
