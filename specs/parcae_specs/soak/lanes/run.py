"""Runs the stress: submits, kills workers at random, and holds the log to what was promised."""

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

from attrs import Factory, frozen

from parcae import Engine, JobId, fsck
from parcae import events as e
from parcae.change import AnyEvent
from parcae.ports import Recorded
from parcae.values import Position
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.soak.lanes.replay import broken
from parcae_specs.soak.lanes.work import LIMITS, QUEUE, act, lanes

Process = subprocess.Popen[bytes]


@frozen(kw_only=True)
class Stressed:
    """What the stress found.

    Attributes:
        each: executions asked for, of each action.
        kills: how many workers were killed.
        by_status: how the jobs ended.
        starts: how many leases were given.
        most: how many held a slot at once at the most, by action.
        seconds: how long it took.
        wrong: what should not have been, one sentence each.
    """

    each: int
    kills: int
    by_status: Mapping[str, int]
    starts: int
    most: Mapping[str, int]
    seconds: float
    wrong: Sequence[str] = Factory(tuple)


async def stress(folder: Path, *, each: int, kills: int, seed: int, workers: int = 3) -> Stressed:
    """Submit ``each`` executions of every action in random order, and kill ``kills`` workers.

    Args:
        folder: an empty one.
        each: executions of each action.
        kills: how many.
        seed: of the order and of what is killed when.
        workers: how many processes.
    """
    chance, began = random.Random(seed), time.monotonic()
    async with Engine(SqliteStore(folder / "lanes.db")) as engine:
        for action, limit in LIMITS.items():
            await engine.limit(QUEUE, limit, key=action)
        ids = await _submit(engine, each, chance)
        pack: list[Process] = []
        try:
            for _ in range(kills):
                _fill(folder, pack, workers)
                await asyncio.sleep(chance.uniform(0.3, 0.9))
                victim = pack.pop(chance.randrange(len(pack)))
                victim.kill()
                victim.wait()
            _fill(folder, pack, workers)
            ended = [await engine.wait(job_id) for job_id in ids]
        finally:
            for one in pack:
                one.kill()
                one.wait()
        log = await _log(engine)
        report = await fsck(engine.store)
    faults = broken(log, lanes())
    return Stressed(
        each=each,
        kills=kills,
        by_status=Counter(str(outcome.status) for outcome in ended),
        starts=sum(isinstance(one.event, e.Started) for one in log),
        most=_most(log),
        seconds=time.monotonic() - began,
        wrong=[*report.findings, *faults],
    )


async def _submit(engine: Engine, each: int, chance: random.Random) -> list[JobId]:
    wanted = [(action, number) for action in LIMITS for number in range(each)]
    chance.shuffle(wanted)
    handles = [await engine.submit(act(action, number), key=action) for action, number in wanted]
    return [one.job_id for one in handles]


def _fill(folder: Path, pack: list[Process], workers: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "parcae_specs.soak.lanes.work", str(folder / "lanes.db")]
    while len(pack) < workers:
        with (folder / "workers.log").open("ab") as output:
            pack.append(subprocess.Popen(command, env=environment, stderr=output))


async def _log(engine: Engine) -> list[Recorded[AnyEvent]]:
    found: list[Recorded[AnyEvent]] = []
    while page := await engine.store.log(found[-1].position if found else Position(0)):
        found += page
    return found


def _most(log: Sequence[Recorded[AnyEvent]]) -> Mapping[str, int]:
    """By the log alone: leases that stood at once."""
    lane_of: dict[str, str] = {}
    holding: set[str] = set()
    most: Counter[str] = Counter()
    for one in log:
        event = one.event
        if isinstance(event, e.Submitted):
            lane_of[one.stream] = event.spec.lane.key
        elif isinstance(event, e.Started):
            holding.add(one.stream)
            key = lane_of[one.stream]
            most[key] = max(most[key], sum(lane_of[held] == key for held in holding))
        elif isinstance(event, e.RetryScheduled | e.Released | e.Completed | e.Failed):
            holding.discard(one.stream)
    return most
