"""What became of the jobs: counted, checked against the archive, and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import Factory, define, frozen

from parcae import Cause, Engine, Job, JobId, Query, Report, Status, fsck
from parcae.assess import tell
from parcae.context import PAYLOAD, result_name
from parcae.events import CompensationLost
from parcae.payloads import load
from parcae.values import Position
from parcae_adapters.demo.archive import Archive, digest_of, unpacked
from parcae_adapters.demo.play import Cast
from parcae_adapters.demo.saga import Digest, Packed, digest, pack
from parcae_adapters.demo.trouble import Trouble

PLANNED = {
    Trouble.FAILS_AFTER_PACKING: Status.COMPENSATED,
    Trouble.KILLS_ITS_WORKER: Status.QUARANTINED,
    Trouble.IS_CANCELLED: Status.CANCELLED,
    Trouble.LOSES_ITS_WORKER: Status.COMPLETED,
}
"""How each trouble ends, unless something else comes first: the file may be gone, for one."""

MAY_KEEP = frozenset({Status.COMPLETED, Status.QUARANTINED})
"""Whoever ended otherwise has left nothing in the archive."""


@frozen(kw_only=True)
class Troubled:
    """A job that had trouble, planned or not, and its file."""

    job: Job
    path: str

    @property
    def error(self) -> str:
        """What its handler raised last, if it did."""
        error = self.job.error
        return f"{error.type}: {error.message}" if error else ""


@frozen(kw_only=True)
class Told:
    """One line of a story: seconds since the job was submitted, and what happened then."""

    after: float
    sentence: str


@define(kw_only=True)
class Summary:
    """How the demo went.

    Attributes:
        files: how many there were to archive.
        by_status: how many jobs ended how.
        leases_lost: how often a worker vanished under a job.
        attempts: how often a job was begun.
        verified: completed jobs whose blob was unpacked once more, and is what was read.
        failed: the other jobs that failed, such as for a file that is gone.
        problems: what should not be, one sentence each.
        fsck: what refolding all histories found.
        seconds: that all of it took.
        troubled: the jobs that were to have trouble.
        story: what happened to the one whose worker was killed half-way.
    """

    files: int = 0
    by_status: Counter[Status] = Factory(Counter)
    leases_lost: int = 0
    attempts: int = 0
    verified: int = 0
    failed: list[Troubled] = Factory(list)
    problems: list[str] = Factory(list)
    fsck: Report = Factory(Report)
    seconds: float = 0.0
    troubled: dict[Trouble, Troubled] = Factory(dict)
    story: Sequence[Told] = ()

    def came_about(self, trouble: Trouble) -> bool:
        """Whether what was planned did happen."""
        one = self.troubled.get(trouble)
        lost = trouble is not Trouble.LOSES_ITS_WORKER or (one is not None and one.job.losses > 0)
        return one is not None and lost and one.job.status is PLANNED[trouble]

    @property
    def jobs(self) -> int:
        """How many there are."""
        return sum(self.by_status.values())

    @property
    def well(self) -> bool:
        """Whether every job ended, every completed file is in the archive, the record is clean."""
        ended = all(status.is_terminal for status in self.by_status)
        return ended and self.jobs == self.files and not self.problems and self.fsck.clean

    def document(self) -> Mapping[str, Any]:
        """The summary as plain values."""
        return {
            "files": self.files,
            "jobs": self.jobs,
            "by_status": {str(status): number for status, number in self.by_status.items()},
            "leases_lost": self.leases_lost,
            "attempts": self.attempts,
            "verified": self.verified,
            "fsck": {
                "clean": self.fsck.clean and not self.problems,
                "jobs": self.fsck.jobs,
                "events": self.fsck.events,
                "findings": [*self.fsck.findings, *self.problems],
            },
            "seconds": round(self.seconds, 3),
        }


async def sum_up(engine: Engine, cast: Cast, folder: Path) -> Summary:
    """Count the jobs, and check everything once more, independently of what the workers said."""
    summary = Summary(fsck=await fsck(engine.store))
    kept: set[Path] = set()
    planned = {role.job_id for role in cast.values()}
    async for job in _all(engine):
        summary.by_status[job.status] += 1
        summary.leases_lost += job.losses
        summary.attempts += job.starts
        if job.status is Status.FAILED and job.id not in planned:
            summary.failed.append(Troubled(job=job, path=await _path(engine, job)))
        if job.status in MAY_KEEP:
            kept |= await _check(engine, job, folder, summary)
    left = sorted(set(Archive(folder).blobs()) - kept)
    summary.problems += [f"{blob} belongs to no job that may keep it" for blob in left]
    summary.leases_lost += await _undo_leases_lost(engine)
    for trouble, role in cast.items():
        job = await engine.show(role.job_id)
        summary.troubled[trouble] = Troubled(job=job, path=role.path)
    if Trouble.LOSES_ITS_WORKER in cast:
        summary.story = await _story(engine, cast[Trouble.LOSES_ITS_WORKER].job_id)
    return summary


async def _path(engine: Engine, job: Job) -> str:
    found = await engine.store.blobs(job.id, (PAYLOAD,))
    (argument,) = load(found[PAYLOAD]).values()
    return str(argument["path"])


async def _check(engine: Engine, job: Job, folder: Path, summary: Summary) -> set[Path]:
    """The blob of a job, unpacked and compared if the job says that it is complete."""
    names = (result_name(digest.name), result_name(pack.name))
    found = await engine.store.blobs(job.id, names)
    if len(found) < len(names):
        if job.status is Status.COMPLETED:
            summary.problems.append(f"job {job.id} completed without results")
        return set()
    expected = load(found[names[0]], Digest).sha256
    blob = folder / load(found[names[1]], Packed).blob
    if job.status is Status.COMPLETED:
        fault = _fault(blob, expected)
        summary.problems += [f"job {job.id}: {fault}"] if fault else []
        summary.verified += fault is None
    return {blob}


def _fault(blob: Path, expected: str) -> str | None:
    try:
        unpacked_digest = digest_of(unpacked(blob))
    except OSError as error:
        return f"{blob} cannot be unpacked: {error}"
    same = unpacked_digest == expected == blob.parent.name
    return None if same else f"{blob} holds {unpacked_digest}, not {expected}"


async def _all(engine: Engine) -> AsyncIterator[Job]:
    cursor = ""
    while True:
        page = await engine.find(Query(limit=500, cursor=cursor))
        for stored in page.jobs:
            yield stored.job
        cursor = page.cursor
        if not cursor:
            return


async def _undo_leases_lost(engine: Engine) -> int:
    position, lost = Position(0), 0
    while recorded := await engine.store.log(position):
        position = recorded[-1].position
        events = (one.event for one in recorded)
        lost += sum(isinstance(e, CompensationLost) and e.cause is Cause.LEASE_LOST for e in events)
    return lost


async def _story(engine: Engine, job_id: JobId) -> Sequence[Told]:
    history = await engine.history(job_id)
    return tuple(
        Told(after=(one.event.at - history[0].event.at).total_seconds(), sentence=tell(one.event))
        for one in history
    )
