"""Kills real workers on one SQLite file, many times, then holds them to what they promised."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import Factory, field, frozen

from parcae import Engine, JobId, Jobs, fsck
from parcae import events as e
from parcae.ports import Recorded
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.soak.work import Trace, define, traces

ENDS = (e.Completed, e.Failed, e.Cancelled, e.Compensated, e.Quarantined)


@frozen(kw_only=True)
class Soaked:
    """What a soak found.

    Attributes:
        kills: how many workers were killed with SIGKILL.
        jobs: how many jobs were submitted.
        by_status: how they ended.
        losses: how many leases were lost.
        handlers: how many times a handler began.
        seconds: how long it took.
        wrong: what should not have been, one sentence each.
    """

    kills: int
    jobs: int
    by_status: Mapping[str, int]
    losses: int
    handlers: int
    seconds: float
    wrong: Sequence[str] = Factory(tuple)


@frozen
class Pack:
    """The worker processes."""

    folder: Path
    size: int
    members: list[subprocess.Popen[bytes]] = field(factory=list)

    def fill(self) -> None:
        """Start as many as are missing."""
        self.members[:] = [one for one in self.members if one.poll() is None]
        while len(self.members) < self.size:
            command = [sys.executable, "-m", "parcae_specs.soak.work", "soak.db", "traces"]
            log = (self.folder / "workers.log").open("ab")
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            self.members.append(
                subprocess.Popen(command, cwd=self.folder, env=environment, stderr=log)
            )
            log.close()

    def kill_one(self, chance: random.Random) -> None:
        """End one of them without a word."""
        victim = chance.choice(self.members)
        victim.kill()
        victim.wait()

    def disband(self) -> None:
        """End all of them."""
        for member in self.members:
            member.kill()
            member.wait()


async def soak(folder: Path, *, kills: int, seed: int, pace: float = 0.5) -> Soaked:
    """Submit sagas and kill workers at random; when both are done, all must have ended.

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
            await asyncio.sleep(chance.expovariate(1 / pace))
            pack.kill_one(chance)
        pack.fill()
        ended = [await engine.wait(job_id) for job_id in ids]
    finally:
        pack.disband()
    histories = {job_id: await engine.history(job_id) for job_id in ids}
    left = list(traces(folder / "traces"))
    report = await fsck(engine.store)
    await engine.store.close()
    wrong = [*report.findings, *_wrong(histories, left)]
    return Soaked(
        kills=kills,
        jobs=len(ids),
        by_status=Counter(str(outcome.status) for outcome in ended),
        losses=sum(_lost(recorded.event) for one in histories.values() for recorded in one),
        handlers=len(left),
        seconds=time.monotonic() - began,
        wrong=wrong,
    )


async def _submit(engine: Engine, jobs: Jobs, number: int) -> JobId:
    request = jobs["soak"](number)
    return (await engine.submit(request, idempotency_key=f"soak-{number}")).job_id


def _lost(event: e.Event) -> bool:
    return getattr(event, "cause", None) in ("lease lost", "poison")


def _wrong(histories: Mapping[JobId, Sequence[Recorded]], left: Sequence[Trace]) -> Sequence[str]:
    found: list[str] = []
    for job_id, history in histories.items():
        mine = [trace for trace in left if trace.job_id == job_id]
        events = [recorded.event for recorded in history]
        found += [f"job {job_id}: {what}" for what in (*_ends(events), *_again(events, mine))]
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
