"""How jobs, keys and instants look in the tables, and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from attrs import frozen

from parcae.change import Aggregate, AnyEvent, Key, KeyRow
from parcae.codec import decode_aggregate, decode_any, decode_event, decode_job, decode_liveness
from parcae.deliveries import Delivery, Sending
from parcae.effects import Effect
from parcae.errors import Corrupt
from parcae.events import Submitted
from parcae.ports import Recorded
from parcae.spec import Spec
from parcae.state import Ended, Job, Stored
from parcae.values import Instant, JobId, Position, StreamId, Version
from parcae_adapters.contract import owed

K = TypeVar("K")
V = TypeVar("V")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CACHED = 4_096
"""Jobs kept decoded, per thread."""

Columns = tuple[Any, ...]
"""What is derived from a job's state and can change: in the order of ``DERIVED``."""

DERIVED = (
    "status",
    "cause",
    "ended_at",
    "place",
    "offer_at",
    "offer_until",
    "offer_undo",
    "worker",
    "request",
    "remind_at",
)

FOUND = f"""
    SELECT j.id, j.version, j.state, j.liveness, e.position, e.data,
        {", ".join(f"j.{name}" for name in DERIVED)}
    FROM parcae_jobs AS j
    LEFT JOIN parcae_events AS e ON e.stream = j.id AND e.version = 1"""
"""Jobs, each with its first event, in which its spec stands."""


def micros(instant: Instant | None) -> int | None:
    """Microseconds since 1970, if there is an instant."""
    return None if instant is None else exact(instant)


def exact(instant: Instant) -> int:
    """Microseconds since 1970."""
    since = instant - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant(value: int) -> Instant:
    """The instant that many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=value)


def columns(job: Job, effects: Iterable[Effect]) -> Columns:
    """The derived columns of ``job``."""
    offer, remind = owed(effects)
    state, lease = job.state, job.lease
    if isinstance(state, Ended):
        end = (state.status, state.cause, micros(state.at))
    else:
        end = (job.status, None, None)
    offered: tuple[int | None, ...] = (None, None, None)
    if offer is not None:
        offered = (micros(offer.at), micros(offer.until), int(offer.undo))
    holder = (None, None) if lease is None else (lease.worker, lease.request)
    return (*end, job.place, *offered, *holder, micros(remind))


@frozen
class Row:
    """One job as the tables have it.

    Attributes:
        stored: the job itself.
        columns: those derived from it.
        seen: when it was read or written, in a count of the reader's own.
        ready: whether it is offered already; ``None``: it is not offered, or as it was.
    """

    stored: Stored
    columns: Columns
    seen: int
    ready: int | None = None


@frozen
class Shelf:
    """One queue, group or schedule as the tables have it.

    Attributes:
        aggregate: itself; ``None``: there is none, or none any more.
        version: how many events it has.
        seen: when it was read or written, in a count of the reader's own.
    """

    aggregate: Aggregate | None
    version: Version
    seen: int


def delivery_columns(found: Delivery) -> tuple[Any, ...]:
    """What is derived from a delivery's state, between its version and its reminder."""
    state = found.state
    holder = (state.worker, state.request) if isinstance(state, Sending) else (None, None)
    fixed = (found.subscription, found.subject, found.number)
    return (*fixed, found.stage.value, micros(found.ended_at), *holder)


class Recent(dict[K, V]):
    """A dictionary that forgets what was put into it longest ago."""

    def __init__(self, limit: int = CACHED) -> None:
        super().__init__()
        self.limit = limit

    def trim(self) -> None:
        """Forget what is too much."""
        while len(self) > self.limit:
            del self[next(iter(self))]


def stored(found: tuple[Any, ...], known: Job | None) -> Stored:
    """The job in a row of ``FOUND``.

    Args:
        found: the row.
        known: the same job as it was read or written before; what still holds is not read again,
            for only a migration changes a spec, and the same version of a job is the same job.

    Raises:
        Corrupt: the row, or the job's first event, cannot be read.
    """
    job_id, version, state, liveness, position, first = found[:6]
    job = known
    if job is None or job.version != version:
        # That of a migrated job is not what it was admitted with.
        fixed = None if known is None or known.reshaped is not None else known.spec
        spec = fixed or _spec(job_id, position, first)
        job = decode_job(job_id, spec, state)
        if job.version != version:
            raise Corrupt(f"version {version} holds state {job.version}", job_id=job_id)
    alive = None if liveness is None else decode_liveness(liveness, job_id=job_id)
    return Stored(job=job, liveness=alive)


def _spec(job_id: JobId, position: int | None, first: bytes | None) -> Spec:
    if first is None:
        raise Corrupt("the job has no first event", job_id=job_id)
    event = decode_event(first, job_id=job_id, position=position)
    if not isinstance(event, Submitted):
        raise Corrupt("the first event admits nothing", job_id=job_id, position=position)
    return event.spec


def recorded(row: tuple[int, StreamId, int, bytes]) -> Recorded[AnyEvent]:
    """An event from its position, stream, version and data.

    Raises:
        Corrupt: it cannot be read.
    """
    position, stream, version, data = row
    return Recorded(
        position=Position(position),
        stream=stream,
        version=Version(version),
        event=decode_any(data, stream=stream, position=position),
    )


def shelf(found: tuple[StreamId, int, bytes | None], known: Shelf | None, seen: int) -> Shelf:
    """A queue, group or schedule from its stream, version and state.

    Args:
        found: the row.
        known: the same one as it was read or written before.
        seen: see :class:`Shelf`.

    Raises:
        Corrupt: it cannot be read.
    """
    stream, version, state = found
    if known is not None and known.version == version:
        return Shelf(known.aggregate, known.version, seen)
    aggregate = None if state is None else decode_aggregate(stream, state)
    if aggregate is not None and aggregate.version != version:
        raise Corrupt(f"version {version} holds state {aggregate.version}", job_id=JobId(stream))
    return Shelf(aggregate, Version(version), seen)


def key_row(key: Key, found: tuple[str, JobId, int | None]) -> KeyRow:
    """A key from its fingerprint, job and expiry."""
    fingerprint, job_id, expires_at = found
    return KeyRow(
        key=key,
        fingerprint=fingerprint,
        job_id=job_id,
        expires_at=None if expires_at is None else instant(expires_at),
    )
