"""What a worker looks at before it starts: the jobs that live, against the code it is to run."""

from __future__ import annotations

import logging

from parcae.definitions import Jobs
from parcae.deploys import SEEN, DeployEngine
from parcae.shapes import Changed

log = logging.getLogger("parcae.worker")


async def compare(
    engine: DeployEngine, jobs: Jobs, queues: frozenset[str] | None, worker: str
) -> None:
    """Refuse what nobody has chosen for; migrate and quarantine as was chosen.

    Args:
        engine: looks at the jobs.
        jobs: the definitions.
        queues: where this worker works; ``None``: everywhere.
        worker: its name, which goes on record.

    Raises:
        ValueError: some jobs differ and nobody has chosen, a handler is missing, or a
            function that should migrate them is broken; says which.
        Unavailable: the store cannot answer.
    """
    found = await engine.look(jobs, queues=queues)
    if not found.complete:
        log.warning("worker %s looked at %d living jobs only; there are more", worker, SEEN)
    for stray in found.strays:
        log.warning("%s", stray)
    if found.errors:
        raise ValueError("; ".join(map(str, found.errors)))
    moved = {one.kind for one in found.strays if one.migrate}
    async for one in engine.migrate(jobs, moved, queues=queues, by=worker):
        log.warning("job %s: %s: %s", one.job_id, one.fate, one.why)
    aside = {one.kind for one in found.strays if one.choice is Changed.QUARANTINE}
    async for one in engine.quarantine(jobs, aside, queues=queues, by=worker):
        log.warning("job %s: %s: %s", one.job_id, one.fate, one.why)
