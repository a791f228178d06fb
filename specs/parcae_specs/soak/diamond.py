"""``python -m parcae_specs.soak.diamond``: one job, many that wait for it, one that waits for all.

A graph of ``--size`` jobs is admitted in one commit, and worked off on a real SQLite file.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from parcae import Engine, Graph, Status, fsck
from parcae.answers import Granted
from parcae.definitions import Jobs
from parcae.ports import Store
from parcae.values import JobId, WorkerId
from parcae_adapters.sqlite import SqliteStore

jobs = Jobs()
AT_ONCE = 500


@jobs.job("cut")
async def cut(ctx: object, number: int) -> int:  # noqa: ARG001 - a handler takes its context
    """One facet."""
    return number


@frozen(kw_only=True)
class Cut:
    """What came of it.

    Attributes:
        size: jobs in the graph.
        order: their ids in the order in which they were claimed.
        status: how the group ended.
        submitting: seconds.
        working: seconds.
        findings: what a refold of all histories found.
    """

    size: int
    order: Sequence[JobId]
    status: Status
    submitting: float
    working: float
    findings: Sequence[str]


async def diamond(store: Store, size: int) -> Cut:
    """Submit a diamond of ``size`` jobs, and work it off."""
    async with Engine(store) as engine:
        began = time.monotonic()
        graph = Graph()
        graph.add(cut(0), name="first")
        middle = [graph.add(cut(n), name=f"{n}", after=["first"]) for n in range(size - 2)]
        graph.add(cut(0), name="last", after=middle)
        handle = await engine.submit_graph(graph)
        submitted = time.monotonic()
        order = await _work(engine)
        worked = time.monotonic()
        outcome = await handle.wait()
        report = await fsck(store)
    return Cut(
        size=size,
        order=order,
        status=outcome.status,
        submitting=submitted - began,
        working=worked - submitted,
        findings=report.findings,
    )


async def _work(engine: Engine) -> Sequence[JobId]:
    order: list[JobId] = []
    while True:
        granted = await engine.claim(
            WorkerId("cutter"), jobs.kinds, request=f"{len(order)}", limit=AT_ONCE
        )
        if not granted:
            return order
        order += [one.job.id for one in granted]
        await asyncio.gather(*(_do(engine, one) for one in granted))


async def _do(engine: Engine, granted: Granted) -> None:
    await engine.start_phase(granted.job.id, granted.lease.token, "run")
    await engine.complete_phase(granted.job.id, granted.lease.token, "run")


def main() -> int:
    """Cut one, and fail if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m parcae_specs.soak.diamond")
    parser.add_argument("--size", type=int, default=10_000, help="jobs in the graph (10,000)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parcae-diamond-") as folder:
        store = SqliteStore(Path(folder, "jobs.db"), durability="normal")
        found = asyncio.run(diamond(store, given.size))
    sys.stdout.write(
        f"{found.size} jobs: admitted in {found.submitting:.1f} s, worked off in "
        f"{found.working:.1f} s, {found.status}\n"
    )
    sys.stdout.writelines(f"{one}\n" for one in found.findings)
    return 0 if found.status is Status.COMPLETED and not found.findings else 1


if __name__ == "__main__":
    raise SystemExit(main())
