"""What a worker is told that does not hold a job any more: as much as is known."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from parcae.engine import Engine
from parcae.errors import LeaseLost, ParcaeError
from parcae.values import JobId
from parcae_adapters.http.problems import Problem, of_error

T = TypeVar("T")


async def told(engine: Engine, job_id: JobId, report: Awaitable[T]) -> T:
    """The answer to a report.

    Raises:
        Problem: somebody else holds the job by now; with what is known of it.
    """
    try:
        return await report
    except LeaseLost as lost:
        raise await known(engine, job_id, lost) from lost


async def known(engine: Engine, job_id: JobId, error: ParcaeError) -> Problem:
    """The problem that tells of ``error``; of a lost lease, where the job stands now as well."""
    problem = of_error(error)
    stored = await engine.stored(job_id) if isinstance(error, LeaseLost) else None
    if stored is not None:
        problem.more |= {
            "job_id": job_id,
            "job_status": str(stored.job.status),
            "current_token": stored.job.token,
            "attempt": stored.job.attempt,
        }
    return problem
