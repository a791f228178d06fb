"""Kills the processes on both ends of the wire at random, and sees that nothing is lost."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from attrs import Factory, define, field, frozen

from parcae import deliveries as d
from parcae import fsck
from parcae.errors import Unavailable
from parcae.filters import Filter
from parcae.outbox_engine import OutboxEngine
from parcae.ports import DeliveryQuery, Recorded
from parcae.values import JobId, Position, StreamId
from parcae_adapters.http.remote import RemoteEngine
from parcae_adapters.http.route import Scope
from parcae_adapters.http.tokens import add
from parcae_adapters.http.whsec import new_secret
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.soak.wire.audit import Debt, Evidence, Log, Wanted, selected, wrong
from parcae_specs.soak.wire.clients import PAUSE, Desk, Reader
from parcae_specs.soak.wire.processes import (
    DATABASE,
    GLANCE,
    RECEIVER,
    SERVER,
    TOKEN,
    TOKENS,
    WORKERS,
    Processes,
)
from parcae_specs.soak.wire.receiver import CALM, receipts

VICTIMS = ((SERVER,), (RECEIVER,), (SERVER, RECEIVER), WORKERS[:1], WORKERS[1:])
WEIGHTS = (5, 2, 1, 1, 1)
BATCH = 5
"""Jobs that are submitted between two kills."""
JUMPS = (0.0, 0.0, 6.0, 70.0, 400.0)
"""Seconds by which the next server is later: none, a first wait, a lease, a second wait."""
DAY = 25 * 3_600.0
"""Seconds. Longer than any wait between two tries."""
ROUNDS = 20
"""Restarts, a day apart, after which everything has to be delivered."""
QUIET = 15.0
"""Seconds of such a day in which what is due is sent."""
PATIENCE = 60.0
"""Seconds for whatever has to happen once nobody is killed any more."""

LONGEST = 600.0
"""Seconds in which all jobs have to end, once nobody is killed any more."""

OPEN = frozenset({d.Standing.PENDING, d.Standing.DELIVERING})
SUBSCRIBED = {
    "ends": Wanted(filter=Filter(types=("completed", "compensated", "failed"))),
    "steps": Wanted(filter=Filter(types=("submitted", "phase-completed")), ordered=True),
}
STREAMS = {
    "": Filter(),
    "type=parcae.job.completed": Filter(types=("completed",)),
}


@frozen(kw_only=True)
class Soaked:
    """What a soak found.

    Attributes:
        kills: how often each process was killed.
        jobs: how many were submitted.
        by_status: how they ended.
        repeats: submissions that were made again, for their answer was lost.
        deliveries: how many were owed.
        tries: how many were begun.
        lost: of those, how many nobody reported.
        moods: how the receiver answered.
        events: in the log that readers are told of.
        connections: of the readers.
        days: that the servers' clock went ahead meanwhile.
        seconds: how long it took.
        wrong: what should not have been, one sentence each.
    """

    kills: Mapping[str, int]
    jobs: int
    by_status: Mapping[str, int]
    repeats: int
    deliveries: int
    tries: int
    lost: int
    moods: Mapping[str, int]
    events: int
    connections: int
    days: float
    seconds: float
    wrong: Sequence[str] = Factory(tuple)


@define
class Soak:
    """One soak.

    Attributes:
        folder: an empty one.
        chance: of who is killed when.
        processes: all of them.
        desk: whoever submits.
        readers: of the stream.
        store: the server's, looked into from outside.
        secret: by which webhooks are signed.
        token: lets everybody in.
        kills: how often each process was killed.
    """

    folder: Path
    chance: random.Random
    processes: Processes
    desk: Desk
    readers: Sequence[Reader]
    store: SqliteStore
    secret: bytes
    token: str
    kills: Counter[str] = field(factory=Counter)

    @classmethod
    def made(cls, folder: Path, seed: int) -> Soak:
        """One in an empty folder, with tokens for all."""
        (folder / TOKEN).write_text(add(folder / TOKENS, "workers", (Scope.WORK,)))
        token = add(folder / TOKENS, "desk", (Scope.ADMIN,))
        return cls(
            folder,
            random.Random(seed),
            Processes(folder),
            Desk(),
            [Reader(query, token) for query in STREAMS],
            SqliteStore(folder / DATABASE),
            new_secret(),
            token,
        )

    async def run(self, kills: int, pace: float) -> dict[JobId, str]:
        """Submit and kill, then let everything come to its end; how the jobs ended."""
        await self.processes.ensure()
        outbox = OutboxEngine(self.store)
        for name, wanted in SUBSCRIBED.items():
            await outbox.subscribe(
                name,
                self.processes.hooks,
                wanted=wanted.filter,
                ordered=wanted.ordered,
                secret=self.secret,
            )
        url = self.processes.url
        reading = [
            asyncio.create_task(one.read(url, random.Random(self.chance.random())))
            for one in self.readers
        ]
        try:
            async with RemoteEngine(url, self.token) as engine:
                await self._harass(engine, kills, pace)
                async with asyncio.timeout(LONGEST):
                    ended = {job_id: await _end(engine, job_id) for job_id in self._ids()}
            await self._deliver(outbox)
            await self._catch_up()
        finally:
            for one in reading:
                one.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
        return ended

    async def _harass(self, engine: RemoteEngine, kills: int, pace: float) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(kills):
                await self.processes.ensure()
                for one in range(number * BATCH, (number + 1) * BATCH):
                    chance = random.Random(self.chance.random())
                    group.create_task(self.desk.submit(engine, one, chance, pace))
                await asyncio.sleep(self.chance.expovariate(1 / pace))
                (victims,) = self.chance.choices(VICTIMS, WEIGHTS)
                for name in victims:
                    self.processes.kill(name)
                    self.kills[name] += 1
                if SERVER in victims:
                    self.processes.ahead += self.chance.choice(JUMPS)
            (self.folder / CALM).touch()
            await self.processes.ensure()

    def _ids(self) -> Sequence[JobId]:
        return [JobId(ids[0]) for ids in self.desk.acked.values()]

    async def _deliver(self, outbox: OutboxEngine) -> None:
        """Let day after day go by until nothing is owed any more."""
        for _ in range(ROUNDS):
            await self.processes.restart(DAY)
            over = time.monotonic() + QUIET
            while (left := await self._left()) & OPEN and time.monotonic() < over:  # noqa: ASYNC110
                await asyncio.sleep(GLANCE)
            if not left:
                return
            await outbox.replay_all(DeliveryQuery(states=frozenset({d.Standing.DEAD})))

    async def _left(self) -> Set[d.Standing]:
        """In which states there are deliveries that were not delivered."""
        found = {stage for (_, stage), many in (await self.store.tally()).items() if many}
        return found - {d.Standing.DELIVERED}

    async def _catch_up(self) -> None:
        """Return once each reader has come to the last event that is for it, or has no hope."""
        log, over = await self.log(), time.monotonic() + PATIENCE
        for reader in self.readers:
            last = selected(log, STREAMS[reader.query])[-1].position
            while int(reader.last) < last and time.monotonic() < over:  # noqa: ASYNC110
                await asyncio.sleep(GLANCE)

    async def log(self) -> Log:
        """All of it."""
        found: list[Recorded] = []  # type: ignore[type-arg]
        while page := await self.store.log(found[-1].position if found else Position(0)):
            found += page
        return found

    async def evidence(self) -> Evidence:
        """What is left."""
        log, outbox = await self.log(), OutboxEngine(self.store)
        streams = defaultdict[StreamId, list[Recorded]](list)  # type: ignore[type-arg]
        for one in log:
            if one.stream.startswith("delivery/"):
                streams[one.stream].append(one)
        return Evidence(
            log=[one for one in log if one.stream not in streams],
            acked=self.desk.acked,
            wanted=SUBSCRIBED,
            debts=[
                Debt(id=name, body=await outbox.body(name), events=events)
                for name, events in streams.items()
            ],
            receipts=list(receipts(self.folder)),
            secret=self.secret.decode(),
            heard=[(STREAMS[one.query], one.got) for one in self.readers],
            resets=[what for one in self.readers for what in one.resets],
            lives=self.processes.lives,
        )


async def _end(engine: RemoteEngine, job_id: JobId) -> str:
    while True:
        try:
            return str((await engine.wait(job_id)).status)
        except Unavailable:
            await asyncio.sleep(PAUSE)


async def soak(folder: Path, *, kills: int, seed: int, pace: float) -> tuple[Soaked, Evidence]:
    """Have the wire cut in every way for as many kills, and hold what is left to the promises.

    Args:
        folder: an empty one.
        kills: how many times somebody is killed.
        seed: of who is killed when.
        pace: seconds between everybody's being there and the next kill, on average.
    """
    began, one = time.monotonic(), Soak.made(folder, seed)
    try:
        ended = await one.run(kills, pace)
    finally:
        one.processes.disband()
    found = await one.evidence()
    report = await fsck(one.store)
    await one.store.close()
    events = [each.event for debt in found.debts for each in debt.events]
    return Soaked(
        kills=one.kills,
        jobs=len(ended),
        by_status=Counter(ended.values()),
        repeats=one.desk.repeats,
        deliveries=len(found.debts),
        tries=sum(isinstance(event, d.DeliveryStarted) for event in events),
        lost=sum(isinstance(event, d.DeliveryLost) for event in events),
        moods=Counter(receipt.mood for receipt in found.receipts),
        events=len(selected(found.log, Filter())),
        connections=sum(reader.connections for reader in one.readers),
        days=one.processes.ahead / 86_400,
        seconds=time.monotonic() - began,
        wrong=[*report.findings, *one.processes.fell, *wrong(found)],
    ), found
