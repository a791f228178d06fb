"""The demo, act by act: submit, watch, cancel one, kill a worker half-way, until all have ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from parcae import Engine, Job, JobId, OnLost, Query, Request, Status
from parcae.state import Running
from parcae_adapters.demo.crew import SIZE, Crew
from parcae_adapters.demo.files import Candidate, to_text
from parcae_adapters.demo.saga import File, archive_file
from parcae_adapters.demo.trouble import Trouble, curtain

AT_ONCE = 100
"""Submissions that are under way together: they share a commit."""

LOOK = 0.05
"""Seconds between two looks at how things stand."""


@frozen
class Scene:
    """How many jobs stand where."""

    counts: Mapping[Status, int]

    @property
    def jobs(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """Those that have ended."""
        return sum(number for status, number in self.counts.items() if status.is_terminal)


@frozen
class Said:
    """Something that happened, in a sentence."""

    sentence: str


Watch = Callable[[Scene | Said], None]


@frozen
class Role:
    """A file that has trouble ahead, and its job."""

    path: str
    job_id: JobId


Cast = Mapping[Trouble, Role]


def assign(files: Sequence[Candidate]) -> dict[int, Trouble]:
    """Which files have which trouble, by index.

    The one that loses its worker stands half-way, the others come first in line. Files of a size
    that no other has are chosen where there are any, for their blobs are their own; and such as
    can be read, or something else would come first.
    """
    same_size = Counter(file.size for file in files)
    alone = [
        i
        for i, file in enumerate(files)
        if file.readable and file.size and same_size[file.size] == 1
    ]
    chosen = set(alone)
    order = [*alone, *(i for i in range(len(files)) if i not in chosen)]
    half_way = sorted(alone or order, key=lambda i: abs(i - len(files) // 2))[:1]
    others = (trouble for trouble in Trouble if trouble is not Trouble.LOSES_ITS_WORKER)
    early = (i for i in order if i not in half_way)
    return {
        **dict(zip(early, others, strict=False)),
        **dict.fromkeys(half_way, Trouble.LOSES_ITS_WORKER),
    }


async def play(
    engine: Engine, crew: Crew, files: Sequence[Candidate], archive: Path, watch: Watch
) -> Cast:
    """Submit a job for each file, and see to what is planned, until all have ended.

    Raises:
        CrewFailed: no worker can work here.
    """
    # From now on the job that is to lose its worker waits for that, once it has got so far.
    curtain(archive).touch()
    cast = await _submit(engine, files, archive)
    watch(Said(f"{len(files)} jobs are submitted, for {SIZE} worker processes"))
    while True:
        scene = Scene(await engine.store.count(Query()))
        watch(scene)
        if scene.ended == len(files):
            return cast
        for killed, fresh in crew.replace_the_dead():
            watch(Said(f"{killed} was killed; {fresh} takes its place"))
        # One after the other, so that the one that is cancelled does not just lose its worker.
        if await _cancelled(engine, cast, watch):
            await _kill(engine, crew, cast, archive, watch)
        await asyncio.sleep(LOOK)


async def _submit(engine: Engine, files: Sequence[Candidate], archive: Path) -> Cast:
    troubles = assign(files)
    requests = list(_requests(files, archive, troubles))
    submitted: list[JobId] = []
    for start in range(0, len(requests), AT_ONCE):
        batch = requests[start : start + AT_ONCE]
        handles = await asyncio.gather(*(engine.submit(request) for request in batch))
        submitted += [handle.job_id for handle in handles]
    return {
        trouble: Role(to_text(files[index].path), submitted[index])
        for index, trouble in troubles.items()
    }


def _requests(
    files: Sequence[Candidate], archive: Path, troubles: Mapping[int, Trouble]
) -> Iterator[Request[object]]:
    for index, file in enumerate(files):
        trouble = troubles.get(index)
        request = archive_file(File(to_text(file.path), str(archive), trouble))
        if trouble is Trouble.KILLS_ITS_WORKER:
            # Whoever is found beside three dead workers has killed them.
            request = evolve(request, spec=evolve(request.spec, on_lost=OnLost(times=2)))
        yield request


async def _cancelled(engine: Engine, cast: Cast, watch: Watch) -> bool:
    """Cancel the job that is to be, once it is at ``digest``; whether there is none left."""
    role = cast.get(Trouble.IS_CANCELLED)
    if role is None:
        return True
    job = await engine.show(role.job_id)
    asked = not isinstance(job.state, Running) or job.state.cancel is not None
    if not asked and phase_in_work(job) == "digest":
        answer = await engine.cancel(job.id, by="the demo", reason="one is cancelled at digest")
        name = Path(role.path).name
        watch(Said(f"{name} is cancelled while its digest is taken: {answer.outcome}"))
    return job.status.is_terminal


async def _kill(engine: Engine, crew: Crew, cast: Cast, archive: Path, watch: Watch) -> None:
    """Kill the worker of the job that is to lose it, once that job is at ``pack``."""
    if not curtain(archive).exists():
        return
    role = cast[Trouble.LOSES_ITS_WORKER]
    job = await engine.show(role.job_id)
    if job.lease is not None and phase_in_work(job) == "pack" and crew.kill(job.lease.worker):
        curtain(archive).unlink()
        watch(Said(f"{job.lease.worker} gets a SIGKILL while it packs {Path(role.path).name}"))


def phase_in_work(job: Job) -> str | None:
    """The name of the phase that a job is at."""
    index = job.running_phase
    return None if index is None else job.spec.phases[index].name
