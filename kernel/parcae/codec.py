"""Events, jobs and what they are made of <-> JSON, by cattrs; stable tags; old histories for ever.

A record is one JSON object: ``{"type": tag, "schema": n, …fields}``. What stands in a store was
written by some version of this module: a field that changes its meaning gets a new schema number
and an upcaster from the old one, and the golden files prove that it still decodes.
"""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from attrs import NOTHING, fields, has
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from parcae import events as e
from parcae import state as s
from parcae.compensation import still_owed
from parcae.errors import Corrupt
from parcae.spec import Spec
from parcae.values import JobId, cut

T = TypeVar("T")
Record = dict[str, Any]
Upcaster = Callable[[Record], Record]

TAGS: Mapping[str, type[e.Event]] = {
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
    "annotated": e.Annotated,
    "late-result-recorded": e.LateResultRecorded,
    "deleted": e.Deleted,
}
"""The names under which events are stored. They never change, whatever becomes of the classes."""

STATES: Mapping[str, type[s.State]] = {
    "pending": s.Pending,
    "scheduled": s.Scheduled,
    "running": s.Running,
    "compensating": s.Compensating,
    "ended": s.Ended,
}

SCHEMAS: Mapping[str, int] = dict.fromkeys(TAGS, 1)
"""The schema that each tag is written with now."""

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""From (tag, schema) to the record of the next schema."""

STATE_SCHEMA = 1

_TAG_OF = {kind: tag for tag, kind in TAGS.items()}
_STATE_OF = {kind: tag for tag, kind in STATES.items()}
_MICROSECOND = timedelta(microseconds=1)
_ABSENT: tuple[object, ...] = (None, False, 0, "", ())
"""Defaults that mean “nothing”, and so are left out: no later version can give them another
meaning. Any other default is written, for a later version may choose another."""


def _plain(kind: type[T]) -> Callable[[Any, Any], T]:
    def structure(value: Any, wanted: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}, got {value!r}")
        # cattrs finds a StrEnum by the str it also is: left at that, it would stay a plain string.
        return wanted(value) if isinstance(wanted, type) and issubclass(wanted, Enum) else value

    return structure


def _instant(value: Any, _: Any) -> datetime:
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError(f"expected an instant with a time zone, got {value!r}")
    return found.astimezone(UTC)


def _duration(value: Any, _: Any) -> timedelta:
    return _plain(int)(value, int) * _MICROSECOND


def _is_state(kind: Any) -> bool:
    return get_origin(kind) in (UnionType, Union) and set(get_args(kind)) == set(STATES.values())


def _absent(default: object) -> bool:
    return any(type(default) is type(nothing) and default == nothing for nothing in _ABSENT)


def _converter() -> Converter:
    converter = Converter(detailed_validation=False, forbid_extra_keys=True)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _plain(kind))
    converter.register_structure_hook(datetime, _instant)
    converter.register_unstructure_hook(datetime, _isoformat)
    converter.register_structure_hook(timedelta, _duration)
    converter.register_unstructure_hook(timedelta, lambda value: value // _MICROSECOND)
    converter.register_unstructure_hook_factory(has, lambda kind: _unstructure(converter, kind))
    converter.register_structure_hook_func(
        _is_state, lambda value, _: _structure_state(converter, value)
    )
    converter.register_unstructure_hook_func(
        _is_state, lambda value: {"is": _STATE_OF[type(value)], **converter.unstructure(value)}
    )
    return converter


@lru_cache(maxsize=4_096)
def _isoformat(value: datetime) -> str:
    # In UTC, as instants should be already, the offset is the last six characters.
    exact = value if value.tzinfo is UTC else value.astimezone(UTC)
    return exact.isoformat(timespec="microseconds")[:-6] + "Z"


def _unstructure(converter: Converter, kind: type, *omitted: str) -> Callable[[Any], Record]:
    overrides: dict[str, Any] = {
        attribute.name: override(omit_if_default=True)
        for attribute in fields(kind)
        if attribute.default is not NOTHING and _absent(attribute.default)
    }
    overrides |= {name: override(omit=True) for name in omitted}
    return make_dict_unstructure_fn(kind, converter, **overrides)


def _structure_state(converter: Converter, value: Any) -> Any:
    plain = dict(value)
    return converter.structure(plain, STATES[plain.pop("is")])


CONVERTER = _converter()

# Looked up once: to find the function takes longer than most of them do.
_EVENT = {tag: CONVERTER.get_unstructure_hook(kind) for tag, kind in TAGS.items()}
_SPEC = CONVERTER.get_unstructure_hook(Spec)
_LIVENESS = CONVERTER.get_unstructure_hook(s.Liveness)

_JOB = _unstructure(CONVERTER, s.Job, "id", "spec")
_JOB_BACK = make_dict_structure_fn(
    s.Job,
    CONVERTER,
    id=override(struct_hook=lambda value, _: value),
    spec=override(struct_hook=lambda value, _: value),
)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# What ``_ENCODER`` makes anew for each call, made once; it is CPython's own, and may be missing.
_MAKE: Any = getattr(json.encoder, "c_make_encoder", None)
_CHUNKS: Callable[[object, int], Iterable[str]] | None = _MAKE and _MAKE(
    None, _ENCODER.default, json.encoder.encode_basestring, None, ":", ",", False, False, True
)


def _dump(record: object) -> bytes:
    text = _ENCODER.encode(record) if _CHUNKS is None else "".join(_CHUNKS(record, 0))
    return text.encode("utf-8", "surrogatepass")


def _load(data: bytes) -> Record:
    record = json.loads(data.decode("utf-8", "surrogatepass"))
    if not isinstance(record, dict):
        raise TypeError(f"expected an object, got {record!r}")
    return record


def encode_event(event: e.Event) -> bytes:
    """The stored form of an event."""
    tag = _TAG_OF[type(event)]
    return _dump({"type": tag, "schema": SCHEMAS[tag], **_EVENT[tag](event)})


def decode_event(
    data: bytes, *, job_id: JobId | None = None, position: int | None = None
) -> e.Event:
    """The event that was stored.

    Raises:
        Corrupt: damaged, unknown, or written by a later version; with its job and position.
    """
    try:
        record = _upcast(_load(data))
        tag = record.pop("type")
        record.pop("schema")
        return CONVERTER.structure(record, TAGS[tag])
    except Exception as error:
        raise Corrupt(_says(data, error), job_id=job_id, position=position) from error


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
    return _dump({"schema": STATE_SCHEMA, **_SPEC(spec)})


def encode_job(job: s.Job) -> bytes:
    """The stored form of a job, without its id and spec."""
    return _dump({"schema": STATE_SCHEMA, **_JOB(job)})


def decode_job(job_id: JobId, spec: bytes | Spec, state: bytes) -> s.Job:
    """The job that was stored as these two; the spec may be a decoded one.

    Raises:
        Corrupt: damaged, or written by a later version.
    """
    try:
        if not isinstance(spec, Spec):
            spec = decode_spec(spec, job_id=job_id)
        record = _schema(_load(state))
        job = _JOB_BACK({**record, "id": job_id, "spec": spec}, s.Job)
        _require_sound(job)
    except Corrupt:
        raise
    except Exception as error:
        raise Corrupt(_says(state, error), job_id=job_id) from error
    return job


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
        return CONVERTER.structure(_schema(_load(data)), Spec)
    except Exception as error:
        raise Corrupt(_says(data, error), job_id=job_id) from error


def _schema(record: Record) -> Record:
    schema = record.pop("schema", None)
    if schema != STATE_SCHEMA:
        raise ValueError(f"unknown schema {schema!r}")
    return record


def encode_liveness(liveness: s.Liveness) -> bytes:
    """The stored form of what renewals change."""
    return _dump({"schema": STATE_SCHEMA, **_LIVENESS(liveness)})


def decode_liveness(data: bytes, *, job_id: JobId | None = None) -> s.Liveness:
    """The liveness that was stored.

    Raises:
        Corrupt: damaged.
    """
    try:
        return CONVERTER.structure(_schema(_load(data)), s.Liveness)
    except Exception as error:
        raise Corrupt(_says(data, error), job_id=job_id) from error
