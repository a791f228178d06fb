"""The statements of the commit path."""

from __future__ import annotations

from parcae.codec import TAGS
from parcae.events import Event
from parcae.ports import Claimable
from parcae_adapters.sqlite.rows import DERIVED

_TAGS = {kind: tag for tag, kind in TAGS.items()}


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _sets(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} = ?" for name in names)


_ALL = ("id", "version", "kind", "queue", "lane", "priority", *DERIVED, "liveness", "state")

COUNTERS = """
    SELECT coalesce((SELECT max(position) FROM parcae_events), 0),
        (SELECT value FROM parcae_counters WHERE name = 'place')"""
SET_PLACE = "UPDATE parcae_counters SET value = ? WHERE name = 'place'"

INSERT_JOB = f"INSERT INTO parcae_jobs ({', '.join(_ALL)}) VALUES ({_marks(len(_ALL))})"
# Each names the version that was read: a second fence behind the check in Python.
UPDATE_JOB = f"""
    UPDATE parcae_jobs SET version = ?, {_sets(DERIVED)}, liveness = ?, state = ?
    WHERE id = ? AND version = ?"""
UPDATE_STATE = "UPDATE parcae_jobs SET version = ?, state = ? WHERE id = ? AND version = ?"
UPDATE_LIVENESS = """
    UPDATE parcae_jobs SET remind_at = ?, liveness = ? WHERE id = ? AND version = ?"""
DELETE_JOB = "DELETE FROM parcae_jobs WHERE id = ?"

INSERT_EVENT = f"INSERT INTO parcae_events VALUES ({_marks(5)})"
DELETE_EVENTS = "DELETE FROM parcae_events WHERE job_id = ? AND position < ?"

PUT_BLOB = f"INSERT OR REPLACE INTO parcae_blobs VALUES ({_marks(3)})"
BLOBS = "SELECT name, data FROM parcae_blobs WHERE job_id = ?"
DELETE_BLOBS = "DELETE FROM parcae_blobs WHERE job_id = ?"

KEY = "SELECT fingerprint, job_id, expires_at FROM parcae_keys WHERE scope = ? AND key = ?"
PUT_KEY = f"INSERT OR REPLACE INTO parcae_keys VALUES ({_marks(5)})"

HELD = "SELECT id FROM parcae_jobs WHERE worker = ? AND request = ?"
OVERDUE = "SELECT id FROM parcae_jobs WHERE remind_at <= ? ORDER BY remind_at, id LIMIT ?"


def tag(event: Event) -> str:
    """The name under which ``event`` is stored."""
    return _TAGS[type(event)]


def claimable(wanted: Claimable, now: int | None) -> tuple[str, tuple[object, ...]]:
    """The ids of what is offered to ``wanted``, in the order in which it is claimed."""
    kinds, queues = sorted(wanted.kinds), sorted(wanted.queues or ())
    served = "" if wanted.queues is None else f"AND queue IN ({_marks(len(queues))})"
    statement = f"""
        SELECT id FROM parcae_jobs INDEXED BY parcae_offers
        WHERE offer_at <= ? AND (offer_until IS NULL OR offer_until > ?)
        AND kind IN ({_marks(len(kinds))}) {served}
        ORDER BY offer_undo DESC, priority DESC, place LIMIT ?"""
    return statement, (now, now, *kinds, *queues, wanted.limit)
