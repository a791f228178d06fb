"""The tables of a store, as sqlite-utils migrations. What is applied once is never edited.

Rows are a fold of ``parcae_events``. The columns beside a job's state are derived from it, so that
an index can find it; what a job was admitted with stands in its first event alone.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

from parcae_adapters.sqlite.errors import Unusable

MIGRATIONS = Migrations("parcae")

_ENDS = "('completed', 'failed', 'cancelled', 'compensated', 'quarantined', 'deleted')"
_EVIDENCE = "('annotated', 'late-result-recorded', 'deleted')"


@MIGRATIONS(name="0001_jobs_and_events")
def _jobs_and_events(db: Database) -> None:
    # Instants are microseconds since 1970, UTC.
    db.execute("""
        CREATE TABLE parcae_jobs (
            id TEXT NOT NULL PRIMARY KEY,
            version INTEGER NOT NULL,
            status TEXT NOT NULL,
            cause TEXT,
            ended_at INTEGER,
            kind TEXT NOT NULL,
            queue TEXT NOT NULL,
            lane TEXT NOT NULL,
            priority INTEGER NOT NULL,
            place INTEGER NOT NULL,
            offer_at INTEGER,
            offer_until INTEGER,
            offer_undo INTEGER,
            worker TEXT,
            request TEXT,
            remind_at INTEGER,
            liveness BLOB,
            state BLOB NOT NULL
        )""")
    # Positions are given by the writer. They are never used twice, for ``deleted`` comes last.
    db.execute("""
        CREATE TABLE parcae_events (
            position INTEGER PRIMARY KEY,
            job_id TEXT NOT NULL,
            version INTEGER NOT NULL,
            tag TEXT NOT NULL,
            data BLOB NOT NULL,
            UNIQUE (job_id, version)
        )""")
    db.execute("""
        CREATE TABLE parcae_blobs (
            job_id TEXT NOT NULL,
            name TEXT NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (job_id, name)
        ) WITHOUT ROWID""")
    db.execute("""
        CREATE TABLE parcae_keys (
            scope TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            job_id TEXT NOT NULL,
            expires_at INTEGER,
            PRIMARY KEY (scope, key)
        ) WITHOUT ROWID""")
    db.execute("CREATE TABLE parcae_counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
    db.execute("INSERT INTO parcae_counters VALUES ('place', 1)")


@MIGRATIONS(name="0002_indexes")
def _indexes(db: Database) -> None:
    # Partial, so that they hold the jobs that wait or work and never the many that have ended.
    for name, columns, where in (
        ("offers", "offer_undo DESC, priority DESC, place", "offer_at IS NOT NULL"),
        ("offered", "offer_at", "offer_at IS NOT NULL"),
        ("reminders", "remind_at, id", "remind_at IS NOT NULL"),
        ("holders", "worker, request", "worker IS NOT NULL"),
    ):
        db.execute(f"CREATE INDEX parcae_{name} ON parcae_jobs ({columns}) WHERE {where}")
    db.execute("CREATE INDEX parcae_statuses ON parcae_jobs (status, id)")


@MIGRATIONS(name="0003_fences")
def _fences(db: Database) -> None:
    # A second fence behind the kernel's: an outcome never changes (S1), whoever writes.
    db.execute(f"""
        CREATE UNIQUE INDEX parcae_ends ON parcae_events (job_id, tag = 'deleted')
        WHERE tag IN {_ENDS}""")
    db.execute(f"""
        CREATE TRIGGER parcae_ended BEFORE INSERT ON parcae_events
        WHEN EXISTS (
            SELECT 1 FROM parcae_events
            WHERE job_id = NEW.job_id AND tag IN {_ENDS}
            AND (tag = 'deleted' OR NEW.tag NOT IN {_EVIDENCE}))
        BEGIN SELECT raise(ABORT, 'the job has ended: only evidence and notes may follow'); END""")
    db.execute("""
        CREATE TRIGGER parcae_outcome BEFORE UPDATE OF status, cause, ended_at ON parcae_jobs
        WHEN OLD.ended_at IS NOT NULL AND (
            NEW.status IS NOT OLD.status OR NEW.cause IS NOT OLD.cause
            OR NEW.ended_at IS NOT OLD.ended_at)
        BEGIN SELECT raise(ABORT, 'the job has ended: its outcome never changes'); END""")


@MIGRATIONS(name="0004_queues_groups_and_schedules")
def _queues_groups_and_schedules(db: Database) -> None:
    # The log is not of jobs alone any more. What depends on the column follows it.
    db.execute("ALTER TABLE parcae_events RENAME COLUMN job_id TO stream")
    # A stream that is gone keeps its row, without a state: a later one of its name goes on from it.
    db.execute("""
        CREATE TABLE parcae_aggregates (
            stream TEXT NOT NULL PRIMARY KEY,
            version INTEGER NOT NULL,
            remind_at INTEGER,
            state BLOB
        )""")
    db.execute("""
        CREATE INDEX parcae_restless ON parcae_aggregates (remind_at, stream)
        WHERE remind_at IS NOT NULL""")
    # Who waits, or has waited, for whom: kept until the one that waits has ended.
    db.execute("""
        CREATE TABLE parcae_edges (
            parent TEXT NOT NULL,
            child TEXT NOT NULL,
            settled INTEGER NOT NULL,
            PRIMARY KEY (parent, child)
        ) WITHOUT ROWID""")
    db.execute("CREATE INDEX parcae_children ON parcae_edges (child)")
    db.execute("CREATE INDEX parcae_unsettled ON parcae_edges (parent, child) WHERE settled = 0")
    for column in ("grp TEXT", "member INTEGER", "ready INTEGER"):
        db.execute(f"ALTER TABLE parcae_jobs ADD COLUMN {column}")
    db.execute("UPDATE parcae_jobs SET ready = 0 WHERE offer_at IS NOT NULL")
    _lines(db)
    db.execute("""
        CREATE INDEX parcae_rates ON parcae_keys (expires_at)
        WHERE scope IN ('rate', 'rate by key')""")
    # What a host application wrote in its own transaction, until a store admits it.
    db.execute("""
        CREATE TABLE parcae_inbox (
            id TEXT NOT NULL UNIQUE,
            spec BLOB NOT NULL,
            payload BLOB NOT NULL,
            error TEXT
        )""")
    # In the order in which they came, for what is equal is kept in the order of the rows.
    db.execute("CREATE INDEX parcae_arrivals ON parcae_inbox (error) WHERE error IS NULL")


def _lines(db: Database) -> None:
    # A claimer walks along these, so none of them may hold what it would have to pass over: what
    # is for later is not ``ready``; kinds and queues stand apart; and where keys have bounds, so
    # do keys. A job without a key pays for one index only.
    order = "kind, offer_undo DESC, priority DESC, place"
    for name, columns, where in (
        ("bare", f"queue, {order}", "ready = 1 AND lane = ''"),
        ("named", f"queue, {order}", "ready = 1 AND lane != ''"),
        ("lanes", f"queue, lane, {order}", "ready = 1 AND lane != ''"),
        ("later", "offer_at", "ready = 0"),
        ("members", "grp, member", "grp IS NOT NULL"),
    ):
        db.execute(f"CREATE INDEX parcae_{name} ON parcae_jobs ({columns}) WHERE {where}")
    db.execute("DROP INDEX parcae_offers")
    # With their lanes, so that slots are counted without looking at the jobs.
    db.execute("DROP INDEX parcae_holders")
    db.execute("""
        CREATE INDEX parcae_holders ON parcae_jobs (worker, request, queue, lane)
        WHERE worker IS NOT NULL""")


@MIGRATIONS(name="0005_workers_and_ends")
def _workers_and_ends(db: Database) -> None:
    # Small, and written every few seconds: who is there, and until when to think so.
    db.execute("""
        CREATE TABLE parcae_workers (
            id TEXT NOT NULL PRIMARY KEY,
            until INTEGER NOT NULL,
            state BLOB NOT NULL
        ) WITHOUT ROWID""")
    # For retention: what ended first, of each outcome; and what is over, of each scope of keys.
    db.execute("""
        CREATE INDEX parcae_ended_at ON parcae_jobs (status, ended_at, id)
        WHERE ended_at IS NOT NULL""")
    db.execute("""
        CREATE INDEX parcae_expiring ON parcae_keys (scope, expires_at)
        WHERE expires_at IS NOT NULL""")


@MIGRATIONS(name="0006_deliveries")
def _deliveries(db: Database) -> None:
    # Aggregates like others, but of these there are many, and they are looked for in many ways.
    db.execute("""
        CREATE TABLE parcae_deliveries (
            stream TEXT NOT NULL PRIMARY KEY,
            version INTEGER NOT NULL,
            subscription TEXT NOT NULL,
            subject TEXT NOT NULL,
            number INTEGER NOT NULL,
            stage TEXT NOT NULL,
            ended_at INTEGER,
            worker TEXT,
            request TEXT,
            remind_at INTEGER,
            state BLOB NOT NULL
        )""")
    for name, columns, where in (
        ("outgoing", "subscription, remind_at, stream", "remind_at IS NOT NULL"),
        ("subjects", "subscription, subject, number", "ended_at IS NULL"),
        ("senders", "worker, request", "worker IS NOT NULL"),
        ("spent", "stage, ended_at, stream", "ended_at IS NOT NULL"),
    ):
        db.execute(f"CREATE INDEX parcae_{name} ON parcae_deliveries ({columns}) WHERE {where}")
    for name, columns in (
        ("stages", "subscription, stage, stream"),
        ("told", "subject, stream"),
    ):
        db.execute(f"CREATE INDEX parcae_{name} ON parcae_deliveries ({columns})")


@MIGRATIONS(name="0007_gone_events")
def _gone_events(db: Database) -> None:
    # Up to where events of the log may be missing: whoever reads on from before it is told so.
    db.execute("CREATE TABLE parcae_gone (position INTEGER NOT NULL)")
    # What went before this was written down stood before the last deletion, and came before it.
    # Deliveries do not count: nobody is told of their events.
    db.execute("""
        INSERT INTO parcae_gone SELECT coalesce(max(position) - 1, 0) FROM parcae_events
        WHERE tag = 'deleted'""")
    db.execute("""
        CREATE TRIGGER parcae_went AFTER DELETE ON parcae_events
        WHEN OLD.position > (SELECT position FROM parcae_gone)
        AND OLD.stream NOT LIKE 'delivery/%'
        BEGIN UPDATE parcae_gone SET position = OLD.position; END""")


NAMES = frozenset(
    {
        "0001_jobs_and_events",
        "0002_indexes",
        "0003_fences",
        "0004_queues_groups_and_schedules",
        "0005_workers_and_ends",
        "0006_deliveries",
        "0007_gone_events",
    }
)
"""The migrations that this version knows."""


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the tables up to date, in one transaction.

    Raises:
        Unusable: a newer version of Parcae has written the file.
    """
    db = Database(connection, recursive_triggers=False, execute_plugins=False)
    if not _pending(db, path):
        return
    # Concurrent openers wait for this lock; without it some are told that the file is locked.
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _pending(db, path):
            MIGRATIONS.apply(db)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _pending(db: Database, path: str) -> bool:
    applied = {migration.name for migration in MIGRATIONS.applied(db)}
    unknown = sorted(applied - NAMES)
    if unknown:
        raise Unusable(
            f"{path}: written by a newer version of Parcae (it has {', '.join(unknown)}); "
            "upgrade Parcae to open it"
        )
    return applied != NAMES
