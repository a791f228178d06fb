"""Events, jobs and what they are made of <-> JSON, by cattrs; stable tags; old histories for ever.

A record is one JSON object: ``{"type": tag, "schema": n, …fields}``. What stands in a store was
written by some version of this module: a field that changes its meaning gets a new schema number
and an upcaster from the old one, and the golden files prove that it still decodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve as replace
from cattrs.gen import make_dict_structure_fn, override

from parcae import deliveries as v
from parcae import events as e
from parcae import groups as g
from parcae import queues as q
from parcae import schedules as d
from parcae import seal
from parcae import state as s
from parcae import subscriptions as n
from parcae.bitmap import pack, unpack
from parcae.change import Aggregate, AnyEvent, stream_of
from parcae.compensation import still_owed
from parcae.converter import CONVERTER, Record, dump, load, unstructured
from parcae.errors import Corrupt
from parcae.spec import Spec
from parcae.values import JobId, StreamId, WorkerId, cut
from parcae.workers import Presence

Upcaster = Callable[[Record], Record]

TAGS: Mapping[str, type[AnyEvent]] = {
    "submitted": e.Submitted,
    "dependency-settled": e.DependencySettled,
    "scheduled": e.Scheduled,
    "started": e.Started,
    "phase-started": e.PhaseStarted,
    "phase-completed": e.PhaseCompleted,
    "cancel-requested": e.CancelRequested,
    "retry-scheduled": e.RetryScheduled,
    "released": e.Released,
    "completed": e.Completed,
    "failed": e.Failed,
    "cancelled": e.Cancelled,
    "compensation-began": e.CompensationBegan,
    "compensation-claimed": e.CompensationClaimed,
    "undo-started": e.UndoStarted,
    "undo-completed": e.UndoCompleted,
    "undo-retry-scheduled": e.UndoRetryScheduled,
    "compensation-released": e.CompensationReleased,
    "compensation-lost": e.CompensationLost,
    "compensated": e.Compensated,
    "quarantined": e.Quarantined,
    "migrated": e.Migrated,
    "annotated": e.Annotated,
    "late-result-recorded": e.LateResultRecorded,
    "deleted": e.Deleted,
    "queue-paused": q.QueuePaused,
    "queue-resumed": q.QueueResumed,
    "limit-set": q.LimitSet,
    "rate-set": q.RateSet,
    "aging-set": q.AgingSet,
    "group-opened": g.GroupOpened,
    "member-ended": g.MemberEnded,
    "group-cancel-requested": g.GroupCancelRequested,
    "group-stopped": g.GroupStopped,
    "members-cancelled": g.MembersCancelled,
    "undo-surveyed": g.UndoSurveyed,
    "undo-submitted": g.UndoSubmitted,
    "member-undone": g.MemberUndone,
    "group-ended": g.GroupEnded,
    "schedule-set": d.ScheduleSet,
    "schedule-fired": d.ScheduleFired,
    "schedule-paused": d.SchedulePaused,
    "schedule-resumed": d.ScheduleResumed,
    "schedule-removed": d.ScheduleRemoved,
    "subscription-set": n.SubscriptionSet,
    "secret-rotated": n.SecretRotated,
    "subscription-disabled": n.SubscriptionDisabled,
    "subscription-enabled": n.SubscriptionEnabled,
    "subscription-removed": n.SubscriptionRemoved,
    "sealed": seal.Sealed,
    "unsealed": seal.Unsealed,
    "delivery-owed": v.DeliveryOwed,
    "delivery-started": v.DeliveryStarted,
    "delivered": v.Delivered,
    "delivery-failed": v.DeliveryFailed,
    "delivery-lost": v.DeliveryLost,
    "delivery-released": v.DeliveryReleased,
    "delivery-died": v.DeliveryDied,
    "delivery-replayed": v.DeliveryReplayed,
    "late-attempt-recorded": v.LateAttemptRecorded,
    "delivery-deleted": v.DeliveryDeleted,
}
"""The names under which events are stored. They never change, whatever becomes of the classes."""

SCHEMAS: Mapping[str, int] = dict.fromkeys(TAGS, 1)
"""The schema that each tag is written with now."""

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""From (tag, schema) to the record of the next schema."""

STATE_SCHEMA = 1
FEW = 32
"""Of so many dependencies the unsettled ones are stored by name; of more, as one bit each: the
state is written anew whenever one of them is settled."""

_TAG_OF = {kind: tag for tag, kind in TAGS.items()}

# Looked up once: to find the function takes longer than most of them do.
_EVENT = {tag: CONVERTER.get_unstructure_hook(kind) for tag, kind in TAGS.items()}
_SPEC = CONVERTER.get_unstructure_hook(Spec)
_LIVENESS = CONVERTER.get_unstructure_hook(s.Liveness)

_JOB = unstructured(CONVERTER, s.Job, "id", "spec")
_JOB_BACK = make_dict_structure_fn(
    s.Job,
    CONVERTER,
    id=override(struct_hook=lambda value, _: value),
    spec=override(struct_hook=lambda value, _: value),
)


def encode_event(event: AnyEvent) -> bytes:
    """The stored form of an event."""
    tag = _TAG_OF[type(event)]
    return dump({"type": tag, "schema": SCHEMAS[tag], **_EVENT[tag](event)})


def decode_any(
    data: bytes, *, stream: StreamId | None = None, position: int | None = None
) -> AnyEvent:
    """The event that was stored.

    Raises:
        Corrupt: damaged, unknown, or written by a later version; with its stream and position.
    """
    job_id = None if stream is None else JobId(stream)
    try:
        record = _upcast(load(data))
        tag = record.pop("type")
        record.pop("schema")
        event: AnyEvent = CONVERTER.structure(record, TAGS[tag])
    except Exception as error:
        raise Corrupt(_says(data, error), job_id=job_id, position=position) from error
    return event


def decode_event(
    data: bytes, *, job_id: JobId | None = None, position: int | None = None
) -> e.Event:
    """The event of a job that was stored.

    Raises:
        Corrupt: damaged, unknown, of no job, or written by a later version; with its job and
            position.
    """
    stream = None if job_id is None else StreamId(job_id)
    event = decode_any(data, stream=stream, position=position)
    if not isinstance(event, e.Event):
        fault = TypeError(f"{_TAG_OF[type(event)]} in the history of a job")
        raise Corrupt(_says(data, fault), job_id=job_id, position=position)
    return event


def _upcast(record: Record) -> Record:
    tag = record.get("type")
    if not isinstance(tag, str) or tag not in TAGS:
        raise ValueError(f"unknown type {tag!r}")
    while record.get("schema") != SCHEMAS[tag]:
        schema = record.get("schema")
        upcaster = UPCASTERS.get((tag, schema)) if isinstance(schema, int) else None
        if upcaster is None:
            raise ValueError(f"unknown schema {schema!r} of {tag}")
        record = upcaster(record)
    return record


def _says(data: object, error: Exception) -> str:
    head = data[:80].decode("utf-8", "replace") if isinstance(data, bytes) else data
    return cut(f"damaged or unknown record ({type(error).__name__}: {error}): {head!r}", 500)


def encode_spec(spec: Spec) -> bytes:
    """The stored form of what a job was admitted with: written once."""
    return dump({"schema": STATE_SCHEMA, **_SPEC(spec)})


def encode_job(job: s.Job) -> bytes:
    """The stored form of a job, without its id and spec."""
    state, waits_for = job.state, job.spec.dependencies
    if not isinstance(state, s.Pending) or len(waits_for) <= FEW:
        return dump({"schema": STATE_SCHEMA, **_JOB(job)})
    record = _JOB(replace(job, state=s.Pending(unsettled=())))
    record["state"]["unsettled"] = pack([one.parent for one in waits_for], state.unsettled)
    return dump({"schema": STATE_SCHEMA, **record})


def decode_job(job_id: JobId, spec: bytes | Spec, state: bytes) -> s.Job:
    """The job that was stored as these two; the spec may be a decoded one, in its shape or not.

    Raises:
        Corrupt: damaged, or written by a later version.
    """
    try:
        if not isinstance(spec, Spec):
            spec = decode_spec(spec, job_id=job_id)
        record = _schema(load(state))
        _unpack(record.get("state"), spec)
        job = _in_shape(_JOB_BACK({**record, "id": job_id, "spec": spec}, s.Job))
        _require_sound(job)
    except Corrupt:
        raise
    except Exception as error:
        raise Corrupt(_says(state, error), job_id=job_id) from error
    return job


def _in_shape(job: s.Job) -> s.Job:
    """The spec stands in the first event; which phases a migration gave the job, in its state."""
    shape = job.reshaped
    if shape is None:
        return job
    spec = replace(job.spec, definition=shape.definition, phases=shape.phases)
    return replace(job, spec=spec)


def _unpack(state: Any, spec: Spec) -> None:
    packed = state.get("unsettled") if isinstance(state, dict) else None
    if isinstance(packed, str):
        state["unsettled"] = unpack([one.parent for one in spec.dependencies], packed)


def _require_sound(job: s.Job) -> None:
    """Refuse a job whose parts do not fit together, before somebody stumbles over it."""
    undone = {phase.name for phase in job.spec.phases if phase.undo is not None}
    if len(job.phases) != len(job.spec.phases):
        raise ValueError(f"{len(job.phases)} phases, but {len(job.spec.phases)} in the spec")
    if not {undo.phase for undo in job.undos} <= undone:
        raise ValueError("an undo of a phase that has none")
    if isinstance(job.state, s.Compensating) and not still_owed(job.state.undos):
        raise ValueError("compensating with nothing left to undo")
    if isinstance(job.state, s.Ended) and not job.state.status.is_terminal:
        raise ValueError(f"ended, but {job.state.status}")


def decode_spec(data: bytes, *, job_id: JobId | None = None) -> Spec:
    """The spec that was stored.

    Raises:
        Corrupt: damaged, or written by a later version.
    """
    try:
        return CONVERTER.structure(_schema(load(data)), Spec)
    except Exception as error:
        raise Corrupt(_says(data, error), job_id=job_id) from error


def _schema(record: Record) -> Record:
    schema = record.pop("schema", None)
    if schema != STATE_SCHEMA:
        raise ValueError(f"unknown schema {schema!r}")
    return record


def encode_liveness(liveness: s.Liveness) -> bytes:
    """The stored form of what renewals change."""
    return dump({"schema": STATE_SCHEMA, **_LIVENESS(liveness)})


def decode_liveness(data: bytes, *, job_id: JobId | None = None) -> s.Liveness:
    """The liveness that was stored.

    Raises:
        Corrupt: damaged.
    """
    try:
        return CONVERTER.structure(_schema(load(data)), s.Liveness)
    except Exception as error:
        raise Corrupt(_says(data, error), job_id=job_id) from error


def encode_presence(presence: Presence) -> bytes:
    """The stored form of what a worker says of itself."""
    return dump({"schema": STATE_SCHEMA, **CONVERTER.unstructure(presence)})


def decode_presence(data: bytes, *, worker: WorkerId) -> Presence:
    """What a worker has said of itself.

    Raises:
        Corrupt: damaged.
    """
    try:
        return CONVERTER.structure(_schema(load(data)), Presence)
    except Exception as error:
        raise Corrupt(f"worker {worker}: {_says(data, error)}") from error


def encode_aggregate(aggregate: Aggregate) -> bytes:
    """The stored form of a queue, a group or a schedule."""
    return dump({"schema": STATE_SCHEMA, **CONVERTER.unstructure(aggregate, Aggregate)})


def decode_aggregate(stream: StreamId, data: bytes) -> Aggregate:
    """The queue, group or schedule that was stored.

    Raises:
        Corrupt: damaged, of another stream, or written by a later version.
    """
    try:
        aggregate: Aggregate = CONVERTER.structure(_schema(load(data)), Aggregate)  # type: ignore[arg-type]
        if stream_of(aggregate) != stream:
            raise ValueError(f"it is {stream_of(aggregate)}")
    except Exception as error:
        raise Corrupt(_says(data, error), job_id=JobId(stream)) from error
    return aggregate
