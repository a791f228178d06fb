"""``python -m parcae_specs.bench.claims``: what a claim costs before a short and a long backlog.

The backlog stands behind a key that is full, is for later, or is of a kind that nobody serves.
Both stores are measured in turns, in one process, so that only the ratio says anything.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from attrs import evolve as replace
from attrs import frozen

from parcae import commands as c
from parcae import handle as rules
from parcae.ports import Claimable
from parcae.queues import SetLimit
from parcae.spec import Spec
from parcae.values import JobId, Lane, WorkerId
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.drive import KIND, Driver, spec

OTHER = "of another kind"
FREE = 300
"""Jobs that can be claimed, in each of the two lines that are measured."""

CLAIMS: Mapping[str, frozenset[str] | None] = {
    "another queue": frozenset({"quiet"}),
    "another key": frozenset({"busy"}),
    "all queues": None,
}


class Backlog(StrEnum):
    """Why the many wait."""

    FULL = "behind a full key"
    LATER = "for later"
    KIND = "of another kind"


@frozen(kw_only=True)
class Costs:
    """Processor seconds of each claim, before the short and the long backlog, in turns."""

    short: Sequence[float]
    long: Sequence[float]

    @property
    def ratio(self) -> float:
        """The middle of the long by the middle of the short."""
        return statistics.median(self.long) / statistics.median(self.short)

    @property
    def best(self) -> float:
        """The quickest by the quickest: what nothing else on the machine has disturbed."""
        return min(self.long) / min(self.short)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio of the middles of ten parts of the run."""
        size = max(len(self.short) // 10, 1)
        parts = [
            statistics.median(self.long[at : at + size])
            / statistics.median(self.short[at : at + size])
            for at in range(0, len(self.short), size)
        ]
        return min(parts), max(parts)


def _waiting(backlog: Backlog) -> Spec:
    """One of the many."""
    asked = replace(spec(), lane=Lane(queue="busy", key="full"), priority=1)
    if backlog is Backlog.KIND:
        return replace(asked, kind=OTHER, lane=Lane(queue="busy", key="free"))
    return replace(asked, lane=Lane(queue="busy")) if backlog is Backlog.LATER else asked


async def fill(path: Path, count: int, backlog: Backlog) -> SqliteStore:
    """A store in which ``count`` jobs wait, and few of them can be claimed."""
    store = SqliteStore(path, durability="normal")
    driver = Driver(store)
    await driver.set("busy", SetLimit(limit=1, key="full"))
    asked = _waiting(backlog)
    if backlog is Backlog.LATER:
        asked = replace(asked, run_at=store.clock.now() + timedelta(days=30))
    # One of them holds the only slot of its key from now on.
    await driver.submit(replace(asked, timing=replace(asked.timing, lease=timedelta(days=1))))
    await driver.claim("holder", queues=frozenset({"busy"}))
    sample = await driver.submit(asked)
    await store.close()
    await asyncio.to_thread(multiply, path, sample, count - 2 * FREE)
    store = SqliteStore(path, durability="normal")
    driver = Driver(store)
    for lane in (Lane(queue="quiet"), Lane(queue="busy", key="free")):
        await asyncio.gather(*(driver.submit(replace(spec(), lane=lane)) for _ in range(FREE)))
    return store


def multiply(path: Path, sample: JobId, count: int) -> None:
    """Write ``count`` more jobs like ``sample``, each with its own name, place and history.

    Straight into the tables, for to admit a million would take longer than to measure them.
    """
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (first,) = connection.execute("SELECT value FROM parcae_counters").fetchone()
        (head,) = connection.execute("SELECT max(position) FROM parcae_events").fetchone()
        (place,) = connection.execute(
            "SELECT place FROM parcae_jobs WHERE id = ?", (sample,)
        ).fetchone()
        values = {"sample": sample, "count": count, "first": first, "head": head, "place": place}
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        for statement in _copies(connection):
            connection.execute(statement, values)
        connection.execute("UPDATE parcae_counters SET value = :first + :count", values)
        connection.execute("COMMIT")


def _copies(connection: sqlite3.Connection) -> Sequence[str]:
    numbers = """
        WITH RECURSIVE numbers (n) AS (
            SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count)"""
    names = [row[1] for row in connection.execute("PRAGMA table_info(parcae_jobs)")]
    name = "printf('%s%012x', substr(id, 1, 24), n)"
    ours = {"id": name, "place": ":first + n", "state": _placed("state")}
    copied = ", ".join(ours.get(one, one) for one in names)
    event = name.replace("(id", "(stream")
    blob = name.replace("(id", "(job_id")
    return (
        f"""INSERT INTO parcae_jobs ({", ".join(names)}) {numbers}
            SELECT {copied} FROM numbers, parcae_jobs WHERE id = :sample""",
        f"""INSERT INTO parcae_events (position, stream, version, tag, data) {numbers}
            SELECT :head + 2 * n + version, {event}, version, tag, {_placed("data")}
            FROM numbers, parcae_events WHERE stream = :sample""",
        f"""INSERT INTO parcae_blobs (job_id, name, data) {numbers}
            SELECT {blob}, name, data FROM numbers, parcae_blobs WHERE job_id = :sample""",
    )


def _placed(column: str) -> str:
    old, new = "'\"place\":' || :place", "'\"place\":' || (:first + n)"
    return f"CAST(replace(CAST({column} AS TEXT), {old}, {new}) AS BLOB)"


async def measure(stores: Sequence[SqliteStore], rounds: int) -> Mapping[str, Costs]:
    """What each kind of claim costs in either store, ``rounds`` times, in turns."""
    took: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in CLAIMS}
    for turn in range(rounds):
        for name, queues in CLAIMS.items():
            for at, store in enumerate(stores):
                took[name][at].append(await _claim(store, f"{name} {turn}", queues))
    return {name: Costs(short=short, long=long) for name, (short, long) in took.items()}


async def _claim(store: SqliteStore, request: str, queues: frozenset[str] | None) -> float:
    worker, kinds = WorkerId("bench"), frozenset({KIND})
    command = c.Claim(worker=worker, request=request)
    wanted = Claimable(worker=worker, request=request, kinds=kinds, queues=queues)
    began = time.process_time()
    done = await store.transact(
        wanted, lambda view: rules.claim(view, command, kinds=kinds, queues=queues, limit=1)
    )
    took = time.process_time() - began
    assert len(done.changes) == 1, "there was nothing to claim"
    return took


async def compare(
    folder: Path, backlog: Backlog, *, short: int, long: int, rounds: int
) -> Mapping[str, Costs]:
    """Both stores, made and measured."""
    stores = [
        await fill(folder / f"{backlog.name}-{count}.db", count, backlog) for count in (short, long)
    ]
    try:
        return await measure(stores, rounds)
    finally:
        for store in stores:
            await store.close()


def section(found: Mapping[Backlog, Mapping[str, Costs]], short: int, long: int) -> str:
    """What it says on the page."""
    rows = "\n".join(
        f"| {backlog} | {name} "
        f"| {one.ratio:.2f} | {one.spread[0]:.2f} | {one.spread[1]:.2f} | ≤ 2 |"
        for backlog, costs in found.items()
        for name, one in costs.items()
    )
    return f"""## Claims before a long backlog

The processor time of one claim with {long:,} waiting jobs, as a multiple of that with {short:,},
all but a few of which cannot start; both stores in turns, without the disk, which would hide the
difference. Lowest and highest: of ten parts of the run. Repeat it with
`python -m parcae_specs.bench.claims`.

| the many wait | claim on | median | lowest | highest | wanted |
|---|---|---|---|---|---|
{rows}
"""


def write(page: Path, text: str) -> None:
    """Put ``text`` in place of the section of its title in ``page``, or at its end."""
    title = text.splitlines()[0]
    before, found, after = page.read_text().partition(title) if page.exists() else ("", "", "")
    following = after.partition("\n## ")
    rest = f"\n## {following[2]}" if found and following[1] else ""
    head = f"{before.rstrip()}\n\n" if before.strip() else ""
    page.write_text(f"{head}{text}{rest}")


def main() -> int:
    """Measure, tell, and write it down where asked to."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.bench.claims")
    parser.add_argument("--short", type=int, default=1_000, help="waiting jobs (1000)")
    parser.add_argument("--long", type=int, default=1_000_000, help="waiting jobs (1000000)")
    parser.add_argument("--rounds", type=int, default=90, help="claims of each kind (90)")
    parser.add_argument("--only", choices=[one.name for one in Backlog], help="of this kind alone")
    parser.add_argument("--folder", help="on the disk that is to be measured")
    parser.add_argument("--write", type=Path, help="the page whose section is to be replaced")
    given = parser.parse_args()
    found: dict[Backlog, Mapping[str, Costs]] = {}
    for backlog in Backlog:
        if given.only in (None, backlog.name):
            with tempfile.TemporaryDirectory(prefix="parcae-", dir=given.folder) as folder:
                measured = compare(
                    Path(folder),
                    backlog,
                    short=given.short,
                    long=given.long,
                    rounds=given.rounds,
                )
                found[backlog] = asyncio.run(measured)
    text = section(found, given.short, given.long)
    sys.stdout.write(text)
    if given.write is not None:
        write(given.write, text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
