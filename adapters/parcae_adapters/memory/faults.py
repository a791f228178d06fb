"""What does not fit together on the shelves."""

from __future__ import annotations

from collections.abc import Iterator

from parcae.assess import stray_liveness
from parcae_adapters.contract import lawful
from parcae_adapters.memory.shelves import Row, Shelves


def faults(shelves: Shelves) -> Iterator[str]:
    """What is wrong, one sentence each."""
    for job_id, row in shelves.rows.items():
        stray = stray_liveness(row.stored.job, row.stored.liveness)
        if stray:
            yield f"job {job_id}: {stray}"
        yield from _kept(shelves, row)
        if row.stored.job.place >= shelves.place:
            yield f"job {job_id}: its place {row.stored.job.place} counts as free"
    for job_id in shelves.orphans():
        yield f"job {job_id}: blobs without a job"


def _kept(shelves: Shelves, row: Row) -> Iterator[str]:
    job = row.stored.job
    queue = shelves.streams.queues.get(job.spec.lane.queue)
    waited_for = bool(shelves.edges.waiting(job.id))
    if not lawful(row.stored, (row.offer, row.remind), queue, waited_for=waited_for):
        yield f"job {job.id}: it keeps {row.offer} and {row.remind}, which it does not owe"
