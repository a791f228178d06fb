"""The statements of the commit path."""

from __future__ import annotations

from parcae.change import AnyEvent
from parcae.codec import TAGS
from parcae_adapters.sqlite.rows import DERIVED

_TAGS = {kind: tag for tag, kind in TAGS.items()}


def marks(count: int) -> str:
    """So many parameters."""
    return ", ".join("?" * count)


def _sets(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} = ?" for name in names)


_SPEC = ("kind", "queue", "lane", "priority", "grp", "member")
_ALL = ("id", "version", *_SPEC, *DERIVED, "ready", "liveness", "state")

COUNTERS = """
    SELECT coalesce((SELECT max(position) FROM parcae_events), 0),
        (SELECT value FROM parcae_counters WHERE name = 'place')"""
SET_PLACE = "UPDATE parcae_counters SET value = ? WHERE name = 'place'"

INSERT_JOB = f"INSERT INTO parcae_jobs ({', '.join(_ALL)}) VALUES ({marks(len(_ALL))})"
# Each names the version that was read: a second fence behind the check in Python.
UPDATE_JOB = f"""
    UPDATE parcae_jobs SET version = ?, {_sets(DERIVED)}, ready = ?, liveness = ?, state = ?
    WHERE id = ? AND version = ?"""
UPDATE_STATE = "UPDATE parcae_jobs SET version = ?, state = ? WHERE id = ? AND version = ?"
UPDATE_LIVENESS = """
    UPDATE parcae_jobs SET remind_at = ?, liveness = ? WHERE id = ? AND version = ?"""
DELETE_JOB = "DELETE FROM parcae_jobs WHERE id = ?"

INSERT_EVENT = f"INSERT INTO parcae_events VALUES ({marks(5)})"
DELETE_EVENTS = "DELETE FROM parcae_events WHERE stream = ? AND position < ?"

PUT_BLOB = f"INSERT OR REPLACE INTO parcae_blobs VALUES ({marks(3)})"
BLOBS = "SELECT name, data FROM parcae_blobs WHERE job_id = ?"
DELETE_BLOBS = "DELETE FROM parcae_blobs WHERE job_id = ?"

KEY = "SELECT fingerprint, job_id, expires_at FROM parcae_keys WHERE scope = ? AND key = ?"
PUT_KEY = f"INSERT OR REPLACE INTO parcae_keys VALUES ({marks(5)})"

PUT_AGGREGATE = f"INSERT OR REPLACE INTO parcae_aggregates VALUES ({marks(4)})"
AGGREGATE = "SELECT stream, version, state FROM parcae_aggregates WHERE stream = ?"
QUEUES = """
    SELECT stream, version FROM parcae_aggregates
    WHERE stream >= 'queue/' AND stream < 'queue0' ORDER BY stream"""
# A slash is followed by the digit nought, so these are the names that begin with the word.
RESTLESS = """
    SELECT stream FROM parcae_aggregates INDEXED BY parcae_restless
    WHERE remind_at <= ? AND stream >= 'group/' AND stream < 'group0'
    ORDER BY remind_at, stream LIMIT 1"""
TICKING = """
    SELECT stream FROM parcae_aggregates INDEXED BY parcae_restless
    WHERE remind_at <= ? AND stream >= 'schedule/' AND stream < 'schedule0'
    ORDER BY remind_at, stream LIMIT ?"""

# With the subscriptions comes the seal, whose name sorts before theirs.
SUBSCRIPTIONS = """
    SELECT stream, version FROM parcae_aggregates
    WHERE stream >= 'seal/' AND stream < 'subscription0'
    AND (stream < 'seal0' OR stream >= 'subscription/') ORDER BY stream"""
DELIVERY = "SELECT stream, version, state FROM parcae_deliveries WHERE stream = ?"
PUT_DELIVERY = f"INSERT OR REPLACE INTO parcae_deliveries VALUES ({marks(11)})"
DELETE_DELIVERY = "DELETE FROM parcae_deliveries WHERE stream = ?"
DROP_BLOB = "DELETE FROM parcae_blobs WHERE job_id = ? AND name = ?"
OUTGOING = """
    SELECT remind_at, stream FROM parcae_deliveries INDEXED BY parcae_outgoing
    WHERE subscription = ? AND remind_at <= ? ORDER BY remind_at, stream LIMIT ?"""
SENDER = """
    SELECT stream FROM parcae_deliveries INDEXED BY parcae_senders
    WHERE worker = ? AND request = ? ORDER BY stream"""
HEAD = """
    SELECT stream FROM parcae_deliveries INDEXED BY parcae_subjects
    WHERE subscription = ? AND subject = ? AND ended_at IS NULL AND stream != ?
    ORDER BY number LIMIT 1"""
SPENT = """
    SELECT stream FROM (
        SELECT * FROM (SELECT ended_at, stream FROM parcae_deliveries INDEXED BY parcae_spent
            WHERE stage = 'delivered' AND ended_at <= ?1 ORDER BY ended_at, stream LIMIT ?3)
        UNION ALL
        SELECT * FROM (SELECT ended_at, stream FROM parcae_deliveries INDEXED BY parcae_spent
            WHERE stage = 'dead' AND ended_at <= ?2 ORDER BY ended_at, stream LIMIT ?3))
    ORDER BY ended_at, stream LIMIT ?3"""

EDGES = "SELECT EXISTS (SELECT 1 FROM parcae_edges)"
PUT_EDGE = f"INSERT OR REPLACE INTO parcae_edges VALUES ({marks(3)})"
SETTLE_EDGE = "UPDATE parcae_edges SET settled = 1 WHERE parent = ? AND child = ?"
DELETE_EDGES = "DELETE FROM parcae_edges WHERE child = ?"
DEPENDENTS = """
    SELECT child FROM parcae_edges INDEXED BY parcae_unsettled
    WHERE parent = ? AND settled = 0 ORDER BY child LIMIT ?"""
NEEDED = "SELECT 1 FROM parcae_edges WHERE parent = ? LIMIT 1"

PROMOTE = "UPDATE parcae_jobs SET ready = 1 WHERE ready = 0 AND offer_at <= ?"
HELD = "SELECT id FROM parcae_jobs WHERE worker = ? AND request = ?"
OVERDUE = "SELECT id FROM parcae_jobs WHERE remind_at <= ? ORDER BY remind_at, id LIMIT ?"


def counted(queues: int) -> str:
    """How many jobs of each lane of so many queues hold a slot."""
    return f"""
        SELECT queue, lane, count(*) FROM parcae_jobs INDEXED BY parcae_holders
        WHERE worker IS NOT NULL AND queue IN ({marks(queues)})
        GROUP BY queue, lane"""


def tag(event: AnyEvent) -> str:
    """The name under which ``event`` is stored."""
    return _TAGS[type(event)]
