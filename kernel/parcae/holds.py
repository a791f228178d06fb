"""Legal holds: a job under one is not deleted, however old it is. They are no part of its history.

A hold is a row of the scope ``hold`` under the job's id, which says who placed it and why.
"""

from __future__ import annotations

from collections.abc import Mapping

from parcae.change import Key, KeyRow
from parcae.values import MAX_NAME, Instant, JobId, cut


def hold_key(job_id: JobId) -> Key:
    """The key of a job's hold."""
    return Key(scope="hold", key=job_id)


def placed(job_id: JobId, by: str, reason: str) -> KeyRow:
    """The row of a hold: from now on, until it is lifted."""
    said = cut(f"{by or 'Somebody'}: {reason or 'no reason given'}", MAX_NAME)
    return KeyRow(key=hold_key(job_id), fingerprint=said, job_id=job_id)


def lifted(row: KeyRow, now: Instant) -> KeyRow:
    """The row of a hold that is over."""
    said, name = row.fingerprint, row.job_id
    return KeyRow(key=row.key, fingerprint=said, job_id=name, expires_at=now)


def held(keys: Mapping[Key, KeyRow], job_id: JobId, now: Instant) -> KeyRow | None:
    """The row of the hold that a job is under; ``None``: it is under none."""
    row = keys.get(hold_key(job_id))
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return row
