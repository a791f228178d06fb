"""Jobs and what happened to them as plain values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from parcae import Error, Job, Outcome
from parcae.assess import tell
from parcae.change import AggregateEvent, AnyEvent
from parcae.codec import encode_event
from parcae.events import Event
from parcae.ports import Recorded
from parcae.state import Compensating, Ended, Lease, Liveness, Running, Stored
from parcae.telling import tell_aggregate
from parcae.timing import expired
from parcae.values import Instant

Record = dict[str, Any]


def iso(at: Instant | None) -> str | None:
    """An instant as text, always of the same length."""
    return None if at is None else at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def brief(job: Job) -> Record:
    """What a list shows of a job."""
    state = job.state
    ended = state if isinstance(state, Ended) else None
    cause = state.cause if isinstance(state, Compensating | Ended) else None
    return {
        "id": job.id,
        "kind": job.spec.kind,
        "definition": job.spec.definition,
        "status": str(job.status),
        "cause": None if cause is None else str(cause),
        "reconciled": bool(ended and ended.reconciled),
        "queue": job.spec.lane.queue,
        "key": job.spec.lane.key,
        "priority": job.spec.priority,
        "submitted_at": iso(job.submitted_at),
        "ended_at": iso(ended.at if ended else None),
        "attempts": job.attempts,
        "starts": job.starts,
        "losses": job.losses,
        "phase": in_work(job),
        "error": error(job.error),
    }


def full(stored: Stored, history: Sequence[Recorded[Event]], says: str, now: Instant) -> Record:
    """Everything there is to know of a job but its payload and results."""
    return {
        **detail(stored, now),
        "says": says,
        "history": [happened(one) for one in history],
    }


def detail(stored: Stored, now: Instant) -> Record:
    """A job as it is now."""
    job, state = stored.job, stored.job.state
    cancel = state.cancel if isinstance(state, Running | Compensating | Ended) else None
    origin = job.spec.origin
    return {
        **brief(job),
        "version": job.version,
        "definition": job.spec.definition,
        "run_at": iso(job.spec.run_at),
        "deadline": iso(job.deadline),
        "trigger": str(state.trigger) if isinstance(state, Ended) and state.trigger else None,
        "cancel": None
        if cancel is None
        else {"at": iso(cancel.at), "by": cancel.by, "reason": cancel.reason},
        "origin": None
        if origin is None
        else {"id": origin.job_id, "mode": str(origin.mode), "root": origin.root},
        "lease": None if job.lease is None else _lease(job.lease, stored.liveness, now),
        "phases": phases(job),
    }


def in_work(job: Job) -> str | None:
    """The phase that is run, or undone, now or next."""
    if isinstance(job.state, Compensating):
        return job.state.next.phase
    index = job.running_phase if job.running_phase is not None else job.next_phase
    over = isinstance(job.state, Ended) or index is None
    return None if over or index is None else job.spec.phases[index].name


def phases(job: Job) -> list[Record]:
    """Each phase, and its undo if there is or was one to do."""
    undos = {undo.phase: undo for undo in job.undos}
    return [
        {
            "name": spec.name,
            "status": str(phase.status),
            "may_have_happened": phase.maybe,
            "carried": phase.carried,
            "undo": str(undos[spec.name].status) if spec.name in undos else None,
            "undo_tries": undos[spec.name].tries if spec.name in undos else 0,
        }
        for spec, phase in zip(job.spec.phases, job.phases, strict=True)
    ]


def happened(one: Recorded[Event] | Recorded[AggregateEvent] | Recorded[AnyEvent]) -> Record:
    """An event, as it is stored and in words."""
    return {
        "position": one.position,
        "version": one.version,
        "at": iso(one.event.at),
        "says": told(one.event),
        "event": json.loads(encode_event(one.event)),
    }


def told(event: AnyEvent) -> str:
    """An event of whatever, in words."""
    return tell(event) if isinstance(event, Event) else tell_aggregate(event)


def ending(outcome: Outcome[Any]) -> Record:
    """How a job ended."""
    return {
        "id": outcome.job_id,
        "status": str(outcome.status),
        "cause": None if outcome.cause is None else str(outcome.cause),
        "reconciled": outcome.reconciled,
        "error": error(outcome.error),
        "result": outcome.result,
    }


def error(found: Error | None) -> Record | None:
    """What a handler raised last."""
    return None if found is None else {"type": found.type, "message": found.message}


def _lease(lease: Lease, liveness: Liveness | None, now: Instant) -> Record:
    progress = liveness.progress if liveness else None
    return {
        "worker": lease.worker,
        "token": lease.token,
        "since": iso(lease.since),
        "expires_at": iso(liveness.expires_at if liveness else lease.expires_at),
        "renewed_at": iso(liveness.renewed_at if liveness else None),
        "expired": expired(liveness, now),
        "progress": None
        if progress is None
        else {"done": progress.done, "total": progress.total, "note": progress.note},
    }
