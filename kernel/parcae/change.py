"""What a store shows to a rule, and what a rule gives back to be stored in one commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import Factory, frozen

from parcae.answers import Answer
from parcae.effects import Announce, Effect
from parcae.events import Event
from parcae.state import Job, Liveness, Stored
from parcae.values import Blob, Instant, JobId, Place, Version


@frozen(kw_only=True)
class Key:
    """The name of a row that only one job can have.

    Attributes:
        scope: what kind of key: ``submit`` for idempotency keys, ``carry`` for what a retry
            takes over from its origin.
        key: unique within the scope.
    """

    scope: str
    key: str


@frozen(kw_only=True)
class KeyRow:
    """A key that a job has taken. It outlives the job.

    Attributes:
        key: its name.
        fingerprint: of what was asked with it: the same key with another body is refused.
        job_id: the job that has it.
        expires_at: from then on it is free again; ``None``: never.
    """

    key: Key
    fingerprint: str
    job_id: JobId
    expires_at: Instant | None = None


@frozen(kw_only=True)
class View:
    """What a store loaded for a rule, all of one instant, under its locks.

    Attributes:
        now: read inside the transaction, after its locks.
        place: the first free place in line; a rule that needs more takes the following ones.
        seed: 128 random bits, fresh for each run of the rule.
        jobs: those the selection found, in its order.
        keys: those of the wanted keys that exist, expired ones included.
        blobs: the bytes of the wanted jobs' blobs, by job and name, where the selection asks.
    """

    now: Instant
    place: Place
    seed: int
    jobs: Mapping[JobId, Stored] = Factory(dict)
    keys: Mapping[Key, KeyRow] = Factory(dict)
    blobs: Mapping[tuple[JobId, str], bytes] = Factory(dict)


@frozen(kw_only=True)
class Change:
    """What becomes of one job, and what the caller is told.

    Attributes:
        job_id: which one.
        before: its version before: the events get the versions after it, one by one.
        events: what happened, in order; empty where nothing did.
        job: the fold after them; ``None``: there is none (refused, or deleted).
        liveness: beside the fold, as it now is.
        blobs: bytes to keep with the job.
        keys: rows to write, in place of any of the same key.
        effects: what follows from the state after, to be kept with it, and whom to tell.
        answer: what the caller is told once all this is committed.
        idle: nothing is to be written at all.
    """

    job_id: JobId
    before: Version
    job: Job | None
    answer: Answer
    events: tuple[Event, ...] = ()
    liveness: Liveness | None = None
    blobs: tuple[tuple[Blob, bytes], ...] = ()
    keys: tuple[KeyRow, ...] = ()
    effects: tuple[Effect, ...] = ()
    idle: bool = False


def announced(changes: Iterable[Change]) -> frozenset[JobId]:
    """The jobs whose end or deletion is news to whoever waits for them."""
    return frozenset(
        change.job_id
        for change in changes
        if change.job is None or any(isinstance(one, Announce) for one in change.effects)
    )
