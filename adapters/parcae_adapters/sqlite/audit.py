"""What is wrong with a file, beside what a refold of the histories finds."""

from __future__ import annotations

from collections.abc import Iterator

from parcae.assess import stray_liveness
from parcae.errors import Corrupt
from parcae.saga import resume
from parcae_adapters.sqlite.queries import Queries
from parcae_adapters.sqlite.rows import DERIVED, FOUND, columns, stored

SPEC_COLUMNS = ("kind", "queue", "lane", "priority")

ORPHANS = {
    "events without a job": """
        SELECT DISTINCT job_id FROM parcae_events AS e
        WHERE NOT EXISTS (SELECT 1 FROM parcae_jobs WHERE id = e.job_id)
        AND NOT EXISTS (
            SELECT 1 FROM parcae_events WHERE job_id = e.job_id AND tag = 'deleted')""",
    "events from before it was deleted": """
        SELECT DISTINCT job_id FROM parcae_events AS e WHERE tag != 'deleted' AND EXISTS (
            SELECT 1 FROM parcae_events WHERE job_id = e.job_id AND tag = 'deleted')""",
    "blobs without a job": """
        SELECT DISTINCT job_id FROM parcae_blobs
        WHERE job_id NOT IN (SELECT id FROM parcae_jobs)""",
    "a version that is not the number of its events": """
        SELECT id FROM parcae_jobs AS j WHERE version != (
            SELECT count(*) FROM parcae_events WHERE job_id = j.id)
        OR version != (SELECT max(version) FROM parcae_events WHERE job_id = j.id)""",
    "a place in line that counts as free": """
        SELECT id FROM parcae_jobs
        WHERE place >= (SELECT value FROM parcae_counters WHERE name = 'place')""",
}


def faults(queries: Queries) -> tuple[str, ...]:
    """Everything found, each in one line; empty: nothing."""
    connection = queries.connection
    # One transaction, so that all questions see one instant.
    connection.execute("BEGIN")
    try:
        found = [line for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
        found += [
            f"job {job_id}: {what}"
            for what, statement in ORPHANS.items()
            for (job_id,) in connection.execute(statement)
        ]
        return (*found, *_rows(queries))
    finally:
        connection.execute("ROLLBACK")


def _rows(queries: Queries) -> Iterator[str]:
    more = ", ".join(f"j.{name}" for name in SPEC_COLUMNS)
    statement = FOUND.replace("FROM parcae_jobs", f", {more} FROM parcae_jobs", 1)
    for row in queries.connection.execute(statement):
        found, beside = row[: -len(SPEC_COLUMNS)], row[-len(SPEC_COLUMNS) :]
        try:
            one = stored(found, None)
        except Corrupt as error:
            yield str(error)
            continue
        spec, stray = one.job.spec, stray_liveness(one.job, one.liveness)
        if stray:
            yield f"job {one.job.id}: {stray}"
        should = (*columns(one.job, resume(one)), spec.kind, spec.lane.queue, spec.lane.key)
        for name, ours, theirs in zip(
            (*DERIVED, *SPEC_COLUMNS),
            (*should, spec.priority),
            (*found[6:], *beside),
            strict=True,
        ):
            if ours != theirs:
                yield f"job {one.job.id}: column {name} is {theirs!r}, its state says {ours!r}"
