"""No-op jobs, a hundred at once, against a plain sqlite3 loop that writes the same rows.

Both commit at ``synchronous=FULL`` to the same folder, in turns, so that only their ratio says
anything. The plain loop replays the very statements of the store, a hundred jobs a commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from parcae import Context, Engine, Jobs
from parcae_adapters.sqlite import SqliteStore
from parcae_adapters.worker import Worker

AT_ONCE = 100
TABLES = ("parcae_jobs", "parcae_events", "parcae_blobs", "parcae_keys")


@frozen(kw_only=True)
class Ratio:
    """Rounds of both, in turns.

    Attributes:
        ours: jobs a second, by round.
        plain: the same of the plain loop.
    """

    ours: Sequence[float]
    plain: Sequence[float]

    @property
    def rounds(self) -> Sequence[float]:
        """Ours as a share of the plain loop, by round."""
        return [ours / plain for ours, plain in zip(self.ours, self.plain, strict=True)]

    @property
    def median(self) -> float:
        """The middle of them."""
        return statistics.median(self.rounds)


def noop() -> Jobs:
    """A definition that does nothing."""
    jobs = Jobs()

    @jobs.job("noop")
    async def nothing(_: Context) -> None: ...

    return jobs


async def work(store: SqliteStore, count: int) -> float:
    """Seconds that ``count`` jobs take, ``AT_ONCE`` at a time, from submission to answer."""
    jobs, engine = noop(), Engine(store)
    worker = Worker(engine, jobs, concurrency=AT_ONCE)
    working = asyncio.create_task(worker.run())

    async def client(share: int) -> None:
        for _ in range(share):
            handle = await engine.submit(jobs["noop"]())
            await handle.wait()

    began = time.perf_counter()
    await asyncio.gather(*(client(count // AT_ONCE) for _ in range(AT_ONCE)))
    took = time.perf_counter() - began
    worker.stop()
    await working
    return took


async def ours(path: Path, count: int) -> float:
    """Jobs a second of a store and a worker in this process."""
    store = SqliteStore(path)
    try:
        await work(store, 2 * AT_ONCE)
        return count / await work(store, count)
    finally:
        await store.close()


class Plain:
    """The rows that our store leaves behind for a job, written by hand."""

    def __init__(self, sample: Path) -> None:
        source = sqlite3.connect(sample)
        self._schema = [
            sql
            for (sql,) in source.execute(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
                " ORDER BY type = 'trigger', type = 'index'"
            )
        ]
        self._rows = {table: self._sample(source, table) for table in TABLES}
        source.close()

    @staticmethod
    def _sample(source: sqlite3.Connection, table: str) -> list[list[Any]]:
        column = "id" if table == "parcae_jobs" else "job_id"
        (job_id,) = source.execute("SELECT id FROM parcae_jobs LIMIT 1").fetchone()
        rows = source.execute(f"SELECT * FROM {table} WHERE {column} = ?", (job_id,))
        names = [one[0] for one in rows.description]
        return [
            [
                f"{{{name}}}" if name in (column, "position") else value
                for name, value in zip(names, row, strict=True)
            ]
            for row in rows
        ]

    def run(self, path: Path, count: int) -> float:
        """Jobs a second."""
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        for statement in self._schema:
            connection.execute(statement)
        began = time.perf_counter()
        for start in range(0, count, AT_ONCE):
            connection.execute("BEGIN IMMEDIATE")
            for number in range(start, start + AT_ONCE):
                self._write(connection, number)
            connection.execute("COMMIT")
        took = time.perf_counter() - began
        connection.close()
        return count / took

    def _write(self, connection: sqlite3.Connection, number: int) -> None:
        job_id = f"01a1fa57-e594-701e-8956-{number:012d}"
        for table, rows in self._rows.items():
            for position, row in enumerate(rows):
                values = [
                    job_id
                    if value in ("{id}", "{job_id}")
                    else number * 10 + position + 1
                    if value == "{position}"
                    else value
                    for value in row
                ]
                marks = ", ".join("?" * len(values))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)


def compare(folder: Path, *, rounds: int = 5, count: int = 2_000) -> Ratio:
    """Both, in turns.

    Args:
        folder: an empty one, on the disk that is to be measured.
        rounds: how many turns.
        count: jobs in each, a multiple of a hundred.
    """
    asyncio.run(ours(folder / "sample.db", AT_ONCE))
    plain = Plain(folder / "sample.db")
    mine, theirs = [], []
    for turn in range(rounds):
        mine.append(asyncio.run(ours(folder / f"ours-{turn}.db", count)))
        theirs.append(plain.run(folder / f"plain-{turn}.db", count))
    return Ratio(ours=mine, plain=theirs)
