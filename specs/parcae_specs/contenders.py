"""Processes that share one SQLite file: ``python -m parcae_specs.contenders ROLE FILE …``.

Each prints one line of JSON. Those that must begin together say ``ready`` and wait for a line.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parcae import commands as c
from parcae.admit import submit
from parcae.change import Change, Revision, View
from parcae.handle import handle
from parcae.ports import Named, Query
from parcae.values import JobId, WorkerId
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.drive import PAYLOAD, Driver, spec


def started(role: str, path: Path, *arguments: object) -> subprocess.Popen[str]:
    """A process in that role, that imports what this one imports."""
    command = [sys.executable, "-m", __name__, role, str(path), *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def together(processes: Sequence[subprocess.Popen[str]]) -> list[Any]:
    """Let them begin once all are ready; what each printed."""
    for process in processes:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", f"expected ready, got {line!r}"
    answers = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, f"{process.args!r} ended with {process.returncode}"
        answers.append(json.loads(output))
    return answers


def _go() -> None:
    _say("ready", plain=True)
    sys.stdin.readline()


def _say(answer: object, *, plain: bool = False) -> None:
    sys.stdout.write(f"{answer if plain else json.dumps(answer)}\n")
    sys.stdout.flush()


async def open_(path: str) -> object:
    """Open the file at the same moment as others."""
    _go()
    store = SqliteStore(path)
    count = await store.count(Query())
    await store.close()
    return dict(count)


async def claim(path: str, worker: str) -> object:
    """Claim whatever there is, at the same moment as others."""
    store = SqliteStore(path)
    _go()
    granted = await Driver(store).claim(f"of {worker}", WorkerId(worker))
    await store.close()
    return [one.lease.token for one in granted]


async def submit_once(path: str, key: str) -> object:
    """Submit under one key, at the same moment as others."""
    store = SqliteStore(path)
    _go()
    job = await Driver(store).submit(key=key)
    await store.close()
    return job


async def hammer(path: str, lasting: str, *fairness: str) -> object:
    """Always want to write, for some seconds; how often it was granted.

    Each transaction takes some milliseconds, as on a slow disk, so that it is the lock that all
    wait for, and not the processor.
    """
    store = SqliteStore(path, durability="normal")
    if fairness == ("without turns",):
        store._writer._turnstile.close()
    driver = Driver(store)
    jobs = [await driver.submit() for _ in range(4)]
    _go()
    until = time.monotonic() + float(lasting)

    async def caller(job: JobId) -> int:
        commits = 0
        while time.monotonic() < until:
            await store.transact(Named(ids=(job,)), slowly)
            commits += 1
        return commits

    def slowly(view: View) -> Sequence[Change]:
        time.sleep(0.001)
        return [handle(view, job, c.Annotate(by="", note="")) for job in view.jobs]

    commits = sum(await asyncio.gather(*map(caller, jobs)))
    await store.close()
    return commits


async def die(path: str, job: str) -> object:
    """Be killed in the middle of a transaction, once its rows are written."""
    store = SqliteStore(path, busy_timeout=5)
    session = store._writer._session
    write = session.flush

    def flush() -> None:
        write()
        os.kill(os.getpid(), signal.SIGKILL)

    session.flush = flush  # type: ignore[method-assign]

    def rule(view: View) -> Sequence[Change | Revision]:
        note = handle(view, next(iter(view.jobs)), c.Annotate(by="", note="never"))
        return [note, *submit(view, spec(), PAYLOAD)]

    await store.transact(Named(ids=(job,)), rule)  # type: ignore[arg-type]
    return None


async def commit_at_times(path: str, times: str) -> object:
    """Commit, wait for a random moment, and so on; the instants at which commits were answered."""
    store = SqliteStore(path)
    driver = Driver(store)
    job, at = await driver.submit(), []
    _go()
    for number in range(int(times)):
        await asyncio.sleep(random.uniform(0.05, 0.15))
        await driver.tell(job, c.Annotate(by="", note=str(number)))
        at.append(time.time())
    await store.close()
    return at


ROLES = {
    "open": open_,
    "claim": claim,
    "submit-once": submit_once,
    "hammer": hammer,
    "die": die,
    "commit-at-times": commit_at_times,
}

if __name__ == "__main__":
    _say(asyncio.run(ROLES[sys.argv[1]](*sys.argv[2:])))  # type: ignore[operator]
