"""What is the matter with a job, in sentences that somebody can act on at three in the morning.

Pure: whatever it needs beside the job is handed in as :class:`Surroundings`, which
:class:`parcae.explain_engine.ExplainEngine` gathers. What is left out is not spoken of. What is
said of the future is decided by the kernel, as if it were time, so that it cannot be wrong about
it. No sentence has a payload or the text of an error in it: those are among the diagnostics.
"""

from __future__ import annotations

from parcae.freshness import Policy, assess
from parcae.state import Job, Liveness
from parcae.values import Instant
from parcae.why.ahead import ahead
from parcae.why.diagnose import diagnose, redacted
from parcae.why.doubts import doubts
from parcae.why.past import past
from parcae.why.present import present, since
from parcae.why.remedies import remedies
from parcae.why.values import (
    Awaited,
    Diagnostics,
    Explanation,
    Raised,
    Remedy,
    Surroundings,
)
from parcae.why.waiting import waits
from parcae.why.words import BOUNDS, CAUSES, POLICIES, STATUSES

__all__ = [
    "BOUNDS",
    "CAUSES",
    "POLICIES",
    "STATUSES",
    "Awaited",
    "Diagnostics",
    "Explanation",
    "Raised",
    "Remedy",
    "Surroundings",
    "redacted",
    "why",
]


def why(
    job: Job,
    liveness: Liveness | None,
    now: Instant,
    around: Surroundings | None = None,
    *,
    diagnostics: bool = False,
) -> Explanation:
    """Explain ``job`` as it is at ``now``.

    ``diagnostics``: also errors with their tracebacks, and the shape of the arguments.
    """
    around = around or Surroundings()
    trust = assess(job, liveness, now, Policy(queue=around.queue, workers=around.workers))
    return Explanation(
        job_id=job.id,
        status=job.status,
        since=since(job, around.history),
        freshness=trust,
        state=present(job, liveness, now, around),
        waits=tuple(waits(job, now, around)),
        past=past(around.history),
        doubts=tuple(doubts(job, liveness, now)),
        next=ahead(job, liveness, now, around),
        remedies=remedies(job, trust, around),
        diagnostics=diagnose(around) if diagnostics else None,
    )
