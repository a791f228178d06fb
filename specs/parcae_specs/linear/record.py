"""Records a history: a herd of clients that are killed, and one that follows the log and lives."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from parcae.change import AnyEvent
from parcae.events import Cancelled, Compensated, Completed, Deleted, Failed, Quarantined
from parcae.ports import Query, Recorded, Store
from parcae.state import Stored
from parcae.values import JobId, Position
from parcae_specs.linear.asks import Ask
from parcae_specs.linear.client import crowd
from parcae_specs.linear.history import History
from parcae_specs.linear.journal import Client, Journal, operations
from parcae_specs.subject import Subject, opened

ENDS = (Cancelled, Compensated, Completed, Failed, Quarantined)


class Follower:
    """Follows the log, and deletes jobs of which it has read the end, and so everything."""

    def __init__(self, store: Store, client: Client) -> None:
        self.store = store
        self.client = client
        self.seen: list[Recorded[AnyEvent]] = []
        self.ended: dict[JobId, int] = {}

    async def follow(self) -> int:
        """Read on; how much there was."""
        after = self.seen[-1].position if self.seen else Position(0)
        some = await self.store.log(after, 500)
        for one in some:
            self.seen.append(one)
            if JobId(one.stream) in self.ended or isinstance(one.event, ENDS):
                self.ended[JobId(one.stream)] = one.version
            if isinstance(one.event, Deleted):
                self.ended.pop(JobId(one.stream), None)
        return len(some)

    async def tidy(self) -> None:
        """Delete the job that ended longest ago."""
        for job, version in list(self.ended.items())[:1]:
            del self.ended[job]
            await self.client.ask(Ask("delete", job=job, number=version))


async def record(subject: Subject, folder: Path, *, calls: int, kills: int, seed: int) -> History:
    """Have client processes make at least so many calls, and kill some of them."""
    kept, journals = _folders(folder)
    store = await opened(subject, kept)
    journal = Journal(journals / "follower.journal")
    follower = Follower(store, Client(store, journal, "f"))
    herd = _herd(subject, kept, journals, calls, kills, seed)

    def done() -> bool:
        return herd.poll() is not None

    living = crowd(lambda name: Client(store, journal, name), "lives", 1, done, renews=True)
    try:
        await asyncio.gather(living, _follow(follower, done))
    finally:
        herd.kill()
        herd.wait()
    if herd.returncode:
        raise RuntimeError(f"the clients ended with {herd.returncode}")
    return await _end(follower, [store], journal, journals)


async def record_here(stores: Sequence[Store], folder: Path, *, calls: int, seed: int) -> History:
    """The same in one process, without kills: the clients take turns with the stores."""
    _, journals = _folders(folder)
    journal = Journal(journals / "all.journal")
    follower = Follower(stores[0], Client(stores[0], journal, "f"))
    clients: list[Client] = []

    def client(name: str) -> Client:
        clients.append(Client(stores[len(clients) % len(stores)], journal, name))
        return clients[-1]

    def done() -> bool:
        return sum(one.number for one in clients) >= calls

    living = crowd(client, f"s{seed}", 6, done, renews=True)
    await asyncio.gather(living, _follow(follower, done))
    return await _end(follower, stores, journal, journals)


def _folders(folder: Path) -> tuple[Path, Path]:
    both = folder / "store", folder / "journals"
    for one in both:
        one.mkdir()
    return both


async def _end(
    follower: Follower, stores: Sequence[Store], journal: Journal, journals: Path
) -> History:
    while await follower.follow():
        pass
    log, rows = await _log(follower.store), await _rows(follower.store)
    for store in stores:
        await store.close()
    journal.close()
    return History(
        operations=tuple(operations(journals)), followed=follower.seen, log=log, rows=rows
    )


async def _follow(follower: Follower, done: Callable[[], bool]) -> None:
    while not done():
        if not await follower.follow():
            await asyncio.sleep(0.002)
        if len(follower.ended) > 20:
            await follower.tidy()


def _herd(subject: Subject, kept: Path, journals: Path, *numbers: int) -> subprocess.Popen[bytes]:
    arguments = [subject.name, kept, journals, *numbers]
    return subprocess.Popen(
        [sys.executable, "-m", "parcae_specs.linear.herd", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


async def _log(store: Store) -> Sequence[Recorded[AnyEvent]]:
    seen: list[Recorded[AnyEvent]] = []
    while some := await store.log(seen[-1].position if seen else Position(0), 1_000):
        seen += some
    return seen


async def _rows(store: Store) -> Sequence[Stored]:
    found: list[Stored] = []
    query = Query(limit=1_000)
    while True:
        page = await store.find(query)
        found += page.jobs
        if not page.cursor:
            return found
        query = Query(limit=1_000, cursor=page.cursor)
