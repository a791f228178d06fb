"""Kills and freezes real workers on one SQLite file, then holds them to what they promised."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import Factory, frozen
from attrs import evolve as replace

from parcae import Engine, JobId, Jobs, fsck
from parcae import events as e
from parcae.events import Event
from parcae.evolve import evolve
from parcae.ports import Recorded
from parcae.state import Job
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.soak.pack import Pack
from parcae_specs.soak.work import Trace, define, traces

FREEZE = 3
"""Every so manieth round somebody is frozen, too."""
ENDS = (e.Completed, e.Failed, e.Cancelled, e.Compensated, e.Quarantined)


@frozen(kw_only=True)
class Soaked:
    """What a soak found.

    Attributes:
        kills: how many workers were killed with SIGKILL.
        freezes: how many were stopped with SIGSTOP past their leases, and then went on.
        jobs: how many jobs were submitted.
        by_status: how they ended.
        losses: how many leases were lost.
        late: how many results came from workers that had lost the lease.
        handlers: how many times a handler began.
        seconds: how long it took.
        wrong: what should not have been, one sentence each.
    """

    kills: int
    freezes: int
    jobs: int
    by_status: Mapping[str, int]
    losses: int
    late: int
    handlers: int
    seconds: float
    wrong: Sequence[str] = Factory(tuple)


async def soak(folder: Path, *, kills: int, seed: int, pace: float = 0.5) -> Soaked:
    """Submit sagas, kill and freeze workers at random; when all is done, all must have ended.

    Args:
        folder: an empty one.
        kills: how many.
        seed: of what is killed when.
        pace: seconds between two kills, on average; workers need some of it to start.
    """
    chance, began = random.Random(seed), time.monotonic()
    engine = Engine(SqliteStore(folder / "soak.db"))
    jobs = define(folder / "traces")
    pack = Pack(folder, 3)
    ids: list[JobId] = []
    try:
        for number in range(kills):
            pack.fill()
            ids += [await _submit(engine, jobs, number * 4 + i) for i in range(4)]
            if number % FREEZE == FREEZE - 1:
                await pack.freeze_one(chance)
            await asyncio.sleep(chance.expovariate(1 / pace))
            pack.fill()
            pack.kill_one(chance)
        await pack.calm()
        ended = [await engine.wait(job_id) for job_id in ids]
    finally:
        pack.disband()
    histories = {job_id: await engine.history(job_id) for job_id in ids}
    left = list(traces(folder / "traces"))
    report = await fsck(engine.store)
    await engine.store.close()
    every = [recorded.event for one in histories.values() for recorded in one]
    return Soaked(
        kills=kills,
        freezes=pack.freezes,
        jobs=len(ids),
        by_status=Counter(str(outcome.status) for outcome in ended),
        losses=sum(map(_lost, every)),
        late=sum(isinstance(event, e.LateResultRecorded) for event in every),
        handlers=len(left),
        seconds=time.monotonic() - began,
        wrong=[*report.findings, *_wrong(histories, left)],
    )


async def _submit(engine: Engine, jobs: Jobs, number: int) -> JobId:
    request = jobs["soak"](number)
    return (await engine.submit(request, idempotency_key=f"soak-{number}")).job_id


def _lost(event: e.Event) -> bool:
    return getattr(event, "cause", None) in ("lease lost", "poison")


def _wrong(
    histories: Mapping[JobId, Sequence[Recorded[Event]]], left: Iterable[Trace]
) -> Sequence[str]:
    by_job = defaultdict[str, list[Trace]](list)
    for trace in left:
        by_job[trace.job_id].append(trace)
    found: list[str] = []
    for job_id, history in histories.items():
        events = [recorded.event for recorded in history]
        broken = (*_ends(events), *fenced(job_id, events), *_again(events, by_job[job_id]))
        found += [f"job {job_id}: {what}" for what in broken]
    return found


def fenced(job_id: JobId, events: Sequence[e.Event]) -> Sequence[str]:
    """S4: who comes back without the lease leaves evidence, and changes nothing by it."""
    job: Job | None = None
    found: list[str] = []
    for event in events:
        before, job = job, evolve(job_id, job, event)
        if isinstance(event, e.LateResultRecorded) and before is not None and job is not None:
            bare = replace(job, version=before.version, late=before.late)
            found += [] if bare == before else [f"S4: {event} changed more than the evidence"]
            held = before.lease is not None and before.lease.token == event.token
            found += [f"S4: token {event.token} was not late"] if held else []
    return found


def _ends(events: Sequence[e.Event]) -> Sequence[str]:
    """S1 and S3: one end, and tokens that only grow."""
    ends = [event for event in events if isinstance(event, ENDS)]
    tokens = [
        event.token for event in events if isinstance(event, e.Started | e.CompensationClaimed)
    ]
    return [
        *([] if len(ends) == 1 else [f"S1: {len(ends)} terminal events"]),
        *([] if tokens == sorted(set(tokens)) else [f"S3: tokens {tokens}"]),
    ]


def _again(events: Sequence[e.Event], left: Sequence[Trace]) -> Sequence[str]:
    """S11 and S12: by the handlers' own traces, nothing done was done again under a later lease."""
    done = {
        (event.phase, isinstance(event, e.UndoCompleted)): event.token
        for event in events
        if isinstance(event, e.PhaseCompleted | e.UndoCompleted)
    }
    return [
        f"S11: phase {one.phase} ran under token {one.token} although {done[key]} had done it"
        for one in left
        if (key := (one.phase, one.undo)) in done and one.token > done[key]
    ]
