"""What happens to a job: three commits, each of which owes something."""

from __future__ import annotations

from collections.abc import Sequence

from parcae import admit
from parcae import commands as c
from parcae.change import Change, Revision, View
from parcae.handle import handle
from parcae.state import Stored
from parcae.values import JobId, Place
from parcae_specs.drive import PAYLOAD, spec
from parcae_specs.explorer.outgoing.shorten import NOW


def _view(jobs: dict[JobId, Stored]) -> View:
    return View(now=NOW, place=Place(1), seed=7, jobs=jobs)


def script() -> Sequence[tuple[dict[JobId, Stored], Sequence[Change | Revision]]]:
    """For each commit what a rule is shown of jobs, and what it makes of it."""
    admitted = admit.submit(_view({}), spec(), PAYLOAD)
    first = admitted[0]
    assert isinstance(first, Change)
    jobs = {first.job_id: _stored(first)}
    cancelled = handle(_view(jobs), first.job_id, c.Cancel())
    ended = {first.job_id: _stored(cancelled)}
    deleted = handle(_view(ended), first.job_id, c.Delete())
    return (({}, admitted), (jobs, (cancelled,)), (ended, (deleted,)))


def _stored(change: Change) -> Stored:
    assert change.job is not None
    return Stored(job=change.job, liveness=change.liveness)
